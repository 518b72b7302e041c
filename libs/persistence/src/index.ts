export { Batched, type BatchedOptions } from './batched.js';
export { connectionOf, type Connection, type DatabaseTls, type VerifiedTls } from './connection.js';
export { openDatabase, openReader, Database, type DatabaseOptions, type TenantDatabase } from './database.js';
export { purgeByIndex, purgeByPages, tablePages } from './purge.js';
export { databaseTime, type Session, type Sql, type Transaction } from './session.js';
export { ConstraintViolation, UniqueViolation } from './database-errors.js';
export { inspectServer, type ServerInspection } from './inspect-server.js';
export {
  Migration,
  type MigrationClass,
  type MigrationState,
  ConcurrentIndexes,
  migrationState,
  NEWER_SCHEMA_CURE,
  unknownMigrations,
} from './schema/migrate.js';
export { withSearchPath } from './schema/schema.js';
export { schemaFaults, type SchemaFault } from './schema/schema-faults.js';
export { readerState, type ReaderRole } from './schema/service-role.js';
export { sqlMigrations } from './schema/sql-migrations.js';
export * from './outbox/outbox.js';
export * from './outbox/outbox-relay.js';
export { type RelayedRecord, type RelaySource } from './outbox/relay-source.js';
export * from './outbox/inbox.js';
export * from './outbox/deliveries.js';
