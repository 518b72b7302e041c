import { sqlMigrations } from '@countersign/persistence';

/** Every migration of the schema `verification`, in order. */
export const VERIFICATION_MIGRATIONS = sqlMigrations(new URL('.', import.meta.url), [
  '1764000000001-baseline.sql',
  '1764000000002-imported-hashes.sql',
  '1764000000010-removed-pins.sql',
  '1764000000011-tenant-erasures.sql',
  '1764000000012-profiles-have-one-key.sql',
  '1764000000013-attempt-reports.sql',
  '1764000000014-creation-of-agents.sql',
  '1764000000015-fewer-writes.sql',
  '1764000000016-denser-ledger.sql',
  '1764000000017-lists-of-locked-subjects.indexes.sql',
  '1764000000018-recognized-callers.sql',
  '1764000000019-counters-name-existing-subjects.sql',
  '1764000000020-counters-of-erased-subjects.sql',
]);
