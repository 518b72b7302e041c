import { readAdminKey } from '@countersign/api';
import { TOPICS } from '@countersign/contracts';
import { type Secret } from '@countersign/crypto';
import { type ServiceNeeds } from '@countersign/hosting';
import { allSettings } from '@countersign/runtime';
import { AdapterKeys } from '@countersign/verification-client';
import { readProvider, type ProviderSettings } from './operators/operator.settings.js';
import { RestSettings } from './rest-adapter.settings.js';

const { requests, queries, subjectCommands, directoryCommands, directoryCaches, limitCommands, webhookCommands } =
  TOPICS;

/** @throws ServiceError SETTINGS_INVALID */
export async function readRestKeys(
  settings: RestSettings,
): Promise<{ keys: AdapterKeys; adminKey: Secret; provider: ProviderSettings | undefined }> {
  const [keys, adminKey, provider] = await allSettings([
    AdapterKeys.read(settings),
    readAdminKey(settings),
    Promise.resolve().then(() => readProvider(settings)),
  ]);
  return { keys, adminKey, provider };
}

/** What the REST adapter needs before it can work. */
export const NEEDS = {
  name: 'rest-adapter',
  settings: RestSettings,
  bus: {
    consumes: {},
    follows: [TOPICS.directory],
    writes: [
      ...[requests, queries, subjectCommands, directoryCommands, directoryCaches, limitCommands, webhookCommands],
      ...[TOPICS.apiKeyUses, TOPICS.facts],
    ],
    replies: 'receives',
  },
  openIdIssuer: ({ OIDC_ISSUER }) => OIDC_ISSUER,
  readKeys: async (settings) => ({ sent: (await readRestKeys(settings)).keys.checks }),
} as const satisfies ServiceNeeds<RestSettings>;
