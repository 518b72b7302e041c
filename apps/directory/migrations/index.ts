import { sqlMigrations } from '@countersign/persistence';

/** Every migration of the schema `directory`, in order. */
export const DIRECTORY_MIGRATIONS = sqlMigrations(new URL('.', import.meta.url), [
  '1764000000003-baseline.sql',
  '1764000000006-api-keys.sql',
  '1764000000010-tenant-deletion.sql',
  '1764000000011-operator-sessions.sql',
  '1764000000012-idle-time-of-sessions.sql',
]);
