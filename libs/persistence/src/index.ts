export { Batched, type BatchedOptions } from './batched.js';
export { connectionOf, type Connection, type DatabaseTls, type VerifiedTls } from './connection.js';
export { openDatabase, Database, type DatabaseOptions, type TenantDatabase } from './database.js';
export { databaseTime, type Session, type Sql, type Transaction } from './session.js';
export { ConstraintViolation, UniqueViolation } from './database-errors.js';
export { inspectServer, type ServerInspection } from './inspect-server.js';
export {
  Migration,
  type MigrationClass,
  type MigrationState,
  migrationState,
  NEWER_SCHEMA_CURE,
  unknownMigrations,
} from './migrate.js';
export { withSearchPath } from './schema.js';
export { schemaFaults, type SchemaFault } from './schema-faults.js';
export { sqlMigrations } from './sql-migrations.js';
export * from './outbox.js';
export * from './outbox-relay.js';
export * from './inbox.js';
export * from './deliveries.js';
