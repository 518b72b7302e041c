import { readAdminKey } from '@countersign/api';
import { CLOCK, DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { Keyring } from '@countersign/crypto';
import { LOG_SIGNER_ROLE, type ServiceNeeds } from '@countersign/hosting';
import { type Database } from '@countersign/persistence';
import { parseSetting } from '@countersign/runtime';
import { formatVerifierKey, type VerifierKey } from '@countersign/transparency-log';
import { keyFault, recordedKeyFaults, type ConfiguredKeys, type KeyFault } from '@countersign/stored-secrets';
import { AUDIT_MIGRATIONS } from '../migrations/index.js';
import { AuditSettings } from './audit.settings.js';
import { CHECKPOINTS_GROUP, NO_LOG_KEYS, parseLogKeys } from './checkpoints/log-keys.js';
import { AUDIT_SUBJECT_KEYS } from './personal-data/subject-key-column.js';

/** @throws ServiceError SETTINGS_INVALID */
export const readKeyring = (settings: AuditSettings): Promise<Keyring> =>
  parseSetting('AUDIT_KEYS', () => new Keyring(settings.AUDIT_KEYS));

/**
 * The keys that verify checkpoints of the log, the current one first.
 * @throws ServiceError SETTINGS_INVALID
 */
export const readLogKeys = ({ LOG_PUBLIC_KEYS, LOG_ORIGIN }: AuditSettings): Promise<readonly VerifierKey[]> =>
  parseSetting('LOG_PUBLIC_KEYS', () => parseLogKeys(LOG_PUBLIC_KEYS, LOG_ORIGIN));

/** The keys that are compared with those of the tables. */
export const configuredKeys = ({ checks }: Keyring): ConfiguredKeys[] => [
  { setting: 'AUDIT_KEYS', keys: checks, names: false },
];

/** Why the keyring cannot decrypt the keys of subjects. @throws ServiceError DATABASE_UNAVAILABLE */
export async function subjectKeysFault(database: Database, keyring: Keyring): Promise<KeyFault | undefined> {
  const rule = await keyFault(database.forAllTenants(), keyring, [AUDIT_SUBJECT_KEYS]);
  return rule === undefined ? undefined : { setting: 'AUDIT_KEYS', rule };
}

/** What the audit service needs before it can work. */
export const NEEDS = {
  name: 'audit',
  settings: AuditSettings,
  bus: {
    consumes: {
      audit: [TOPICS.facts],
      'audit-dead-letters': [DEAD_LETTERS],
      [CHECKPOINTS_GROUP]: [TOPICS.auditCheckpoints],
      'audit-read-back': [TOPICS.auditEvents],
      'audit-reports': [TOPICS.attemptReports],
    },
    follows: [TOPICS.directory],
    writes: [TOPICS.auditEvents, TOPICS.directoryCaches, TOPICS.apiKeyUses, DEAD_LETTERS, CLOCK],
    replies: 'none',
  },
  store: { schema: 'audit', migrations: AUDIT_MIGRATIONS, readers: [LOG_SIGNER_ROLE] },
  readKeys: async (settings) => {
    await readAdminKey(settings);
    const keyring = await readKeyring(settings);
    const logKeys = await readLogKeys(settings);
    return {
      logKeys: { accepts: logKeys.map(formatVerifierKey) },
      unset: logKeys.length > 0 ? [] : [{ setting: 'LOG_PUBLIC_KEYS', rule: `is not set, so ${NO_LOG_KEYS}` }],
      storedFaults: async (database) => {
        const recorded = await recordedKeyFaults(database, database.schema, configuredKeys(keyring));
        const fault = await subjectKeysFault(database, keyring);
        return fault === undefined ? recorded : [...recorded, fault];
      },
    };
  },
} as const satisfies ServiceNeeds<AuditSettings>;
