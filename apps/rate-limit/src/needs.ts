import { CLOCK, DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { type ServiceNeeds } from '@countersign/hosting';
import { parseSetting } from '@countersign/runtime';
import { recordedKeyFaults, type ConfiguredKeys } from '@countersign/stored-secrets';
import { RATE_LIMIT_MIGRATIONS } from '../migrations/index.js';
import { RateLimitSettings } from './rate-limit.settings.js';

const { requests, limitCommands, admissions, tenantErasures, directory, directoryCaches, facts } = TOPICS;

/** @throws ServiceError SETTINGS_INVALID */
export const readIdentifierKey = ({ IDENTIFIER_KEY }: RateLimitSettings): Promise<KeyedHash> =>
  parseSetting('IDENTIFIER_KEY', () => new KeyedHash(IDENTIFIER_KEY));

/** The keys that are compared with those of the tables. */
export const configuredKeys = ({ checks }: KeyedHash): ConfiguredKeys[] => [
  { setting: 'IDENTIFIER_KEY', keys: checks, names: true },
];

/** What the rate limiter needs before it can work. */
export const NEEDS = {
  name: 'rate-limit',
  settings: RateLimitSettings,
  bus: {
    consumes: { 'rate-limit': [requests, limitCommands] },
    follows: [directory],
    writes: [admissions, tenantErasures, directoryCaches, facts, DEAD_LETTERS, CLOCK],
    replies: 'sends',
  },
  store: { schema: 'rate_limit', migrations: RATE_LIMIT_MIGRATIONS },
  readKeys: async (settings) => {
    const keys = configuredKeys(await readIdentifierKey(settings));
    return { storedFaults: (database) => recordedKeyFaults(database, database.schema, keys) };
  },
} as const satisfies ServiceNeeds<RateLimitSettings>;
