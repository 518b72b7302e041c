import { sqlMigrations } from '@countersign/persistence';

/** Every migration of the schema `webhooks`, in order. */
export const WEBHOOKS_MIGRATIONS = sqlMigrations(new URL('.', import.meta.url), [
  '1764000000006-baseline.sql',
  '1764000000012-tenant-erasures.sql',
  '1764000000013-secret-replies.sql',
]);
