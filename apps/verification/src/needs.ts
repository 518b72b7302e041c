import { CLOCK, DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { type KeyCheck } from '@countersign/crypto';
import { type ServiceNeeds } from '@countersign/hosting';
import { holdsForeignKey, requiredKeys } from '@countersign/stored-secrets';
import { VERIFICATION_MIGRATIONS } from '../migrations/index.js';
import { CompareKeys } from './integrity/compare-keys.use-case.js';
import { comparedKeys, FOREIGN_KEYS, readKeys, SHARED_KEYS, storedKeyFaults } from './integrity/open-keys.js';
import { IMPORT_BOUNDS } from './credentials/hash-bounds.decision.js';
import { hashConcurrency, VerificationSettings } from './verification.settings.js';

const {
  admissions,
  subjectCommands,
  queries,
  limitCommands,
  tenantErasures,
  directory,
  directoryCaches,
  facts,
  attemptReports,
} = TOPICS;

/** What the verification service needs before it can work. */
export const NEEDS = {
  name: 'verification',
  settings: VerificationSettings,
  bus: {
    consumes: { verification: [admissions, subjectCommands, queries] },
    follows: [directory],
    writes: [limitCommands, tenantErasures, directoryCaches, facts, attemptReports, DEAD_LETTERS, CLOCK],
    replies: 'sends',
  },
  store: { schema: 'verification', migrations: VERIFICATION_MIGRATIONS },
  readKeys: async (settings) => {
    const held = await readKeys(settings);
    return {
      storedFaults: (database) => storedKeyFaults(database, held),
      mismatches: (sent, database) => {
        const records = {
          required: (setting: string) => (database ? requiredKeys(database, setting) : Promise.resolve([])),
          recordForeign: (setting: string, keys: readonly KeyCheck[]) =>
            database ? holdsForeignKey(database, setting, keys) : Promise.resolve(true),
        };
        return new CompareKeys(comparedKeys(held), SHARED_KEYS, FOREIGN_KEYS, records).mismatches(sent);
      },
    };
  },
  // Hashes of another system run in the same pool and may need more memory than those that are made here.
  hashMemoryKib: (settings, cores) =>
    hashConcurrency(settings, cores) * Math.max(settings.HASH_MEMORY_KIB, IMPORT_BOUNDS.memoryKib),
} as const satisfies ServiceNeeds<VerificationSettings>;
