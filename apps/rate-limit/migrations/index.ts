import { sqlMigrations } from '@countersign/persistence';

/** Every migration of the schema `rate_limit`, in order. */
export const RATE_LIMIT_MIGRATIONS = sqlMigrations(new URL('.', import.meta.url), [
  '1764000000002-baseline.sql',
  '1764000000003-limit-functions.sql',
  '1764000000005-override-reasons.sql',
  '1764000000006-override-resources.sql',
  '1764000000007-cheaper-decisions.sql',
  '1764000000008-refunds-scan-no-table.sql',
]);
