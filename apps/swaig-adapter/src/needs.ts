import { TOPICS } from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { type ServiceNeeds } from '@countersign/hosting';
import { allSettings, parseSetting } from '@countersign/runtime';
import { AdapterKeys } from '@countersign/verification-client';
import { SwaigSettings } from './swaig-adapter.settings.js';

/** @throws ServiceError SETTINGS_INVALID */
export async function readSwaigKeys(settings: SwaigSettings): Promise<{ keys: AdapterKeys; captureKey: KeyedHash }> {
  const [keys, captureKey] = await allSettings([
    AdapterKeys.read(settings),
    parseSetting('CAPTURE_TOKEN_KEY', () => new KeyedHash(settings.CAPTURE_TOKEN_KEY)),
  ]);
  return { keys, captureKey };
}

/** What the SWAIG adapter needs before it can work. */
export const NEEDS = {
  name: 'swaig-adapter',
  settings: SwaigSettings,
  bus: {
    consumes: {},
    follows: [TOPICS.directory],
    writes: [TOPICS.requests, TOPICS.queries, TOPICS.directoryCaches, TOPICS.facts],
    replies: 'receives',
  },
  readKeys: async (settings) => {
    const { keys, captureKey } = await readSwaigKeys(settings);
    return { sent: [...keys.checks, { setting: 'CAPTURE_TOKEN_KEY', keys: captureKey.checks }] };
  },
} as const satisfies ServiceNeeds<SwaigSettings>;
