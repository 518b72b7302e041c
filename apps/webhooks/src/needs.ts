import { CLOCK, DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { Keyring } from '@countersign/crypto';
import { type ServiceNeeds } from '@countersign/hosting';
import { type Database } from '@countersign/persistence';
import { parseSetting } from '@countersign/runtime';
import { keyFault, recordedKeyFaults, type ConfiguredKeys, type KeyFault } from '@countersign/stored-secrets';
import { WEBHOOKS_MIGRATIONS } from '../migrations/index.js';
import { EVENTS_GROUP } from './deliveries/consume-events.js';
import { WEBHOOK_SECRETS } from './subscriptions/secret-vault.js';
import { openSender } from './targets/open-sender.js';
import { type HttpWebhookSender } from './targets/http-sender.js';
import { WebhooksSettings } from './webhooks.settings.js';

const { webhookCommands, auditEvents, tenantErasures, directory, directoryCaches, facts } = TOPICS;

/** @throws ServiceError SETTINGS_INVALID */
export async function readSettings(
  settings: WebhooksSettings,
): Promise<{ keyring: Keyring; sender: HttpWebhookSender }> {
  const keyring = await parseSetting('WEBHOOK_KEYS', () => new Keyring(settings.WEBHOOK_KEYS));
  return { keyring, sender: openSender(settings) };
}

/** The keys that are compared with those of the tables. */
export const configuredKeys = ({ checks }: Keyring): ConfiguredKeys[] => [
  { setting: 'WEBHOOK_KEYS', keys: checks, names: false },
];

/** Why the keyring cannot decrypt the stored secrets. @throws ServiceError DATABASE_UNAVAILABLE */
export async function secretsFault(database: Database, keyring: Keyring): Promise<KeyFault | undefined> {
  const rule = await keyFault(database.forAllTenants(), keyring, [WEBHOOK_SECRETS]);
  return rule === undefined ? undefined : { setting: 'WEBHOOK_KEYS', rule };
}

/** What the webhooks need before they can work. */
export const NEEDS = {
  name: 'webhooks',
  settings: WebhooksSettings,
  bus: {
    consumes: { webhooks: [webhookCommands], [EVENTS_GROUP]: [auditEvents] },
    follows: [directory],
    writes: [tenantErasures, directoryCaches, facts, DEAD_LETTERS, CLOCK],
    replies: 'sends',
  },
  store: { schema: 'webhooks', migrations: WEBHOOKS_MIGRATIONS, prefersIndexes: true },
  readKeys: async (settings) => {
    const { keyring } = await readSettings(settings);
    return {
      storedFaults: async (database) => {
        const recorded = await recordedKeyFaults(database, database.schema, configuredKeys(keyring));
        const fault = await secretsFault(database, keyring);
        return fault === undefined ? recorded : [...recorded, fault];
      },
    };
  },
} as const satisfies ServiceNeeds<WebhooksSettings>;

/** What the part that queues events needs where it runs alone, in the all-in-one process. */
export const INTAKE_NEEDS = {
  ...NEEDS,
  name: 'webhooks-intake',
  bus: { consumes: { [EVENTS_GROUP]: [auditEvents] }, follows: [], writes: [DEAD_LETTERS, CLOCK], replies: 'none' },
} as const satisfies ServiceNeeds<WebhooksSettings>;
