import { sqlMigrations } from '@countersign/persistence';

/** Every migration of the schema `audit`, in order. */
export const AUDIT_MIGRATIONS = sqlMigrations(new URL('.', import.meta.url), [
  '1764000000004-baseline.sql',
  '1764000000005-transparency-log.sql',
  '1764000000006-completeness.sql',
  '1764000000007-event-search.sql',
  '1764000000008-subject-keys.sql',
  '1764000000009-publishing.sql',
  '1764000000010-shards.sql',
  '1764000000012-event-counts.sql',
]);
