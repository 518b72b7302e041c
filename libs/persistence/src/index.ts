export { Batched, type BatchedOptions } from './batched.js';
export { openDatabase, Database, type DatabaseOptions, type Session, type Sql } from './database.js';
export { ConstraintViolation, UniqueViolation } from './database-errors.js';
export { Migration, type MigrationClass } from './migrate.js';
export * from './outbox.js';
export * from './outbox-relay.js';
export * from './inbox.js';
export * from './deliveries.js';
export { startEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.js';
