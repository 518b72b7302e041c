import { TOPICS } from '@countersign/contracts';
import { LOG_SIGNER_ROLE, type ServiceNeeds } from '@countersign/hosting';
import { allSettings, parseSetting } from '@countersign/runtime';
import {
  formatVerifierKey,
  MAX_SIGNATURES,
  parseSignerKey,
  parseVerifierKey,
  SIGNATURE_TYPES,
  type SignerKey,
} from '@countersign/transparency-log';
import { LogSignerSettings } from './log-signer.settings.js';
import { type Witness } from './signing/http-witnesses.js';

/** The log signs twice: with a time and without one. */
const MAX_WITNESSES = MAX_SIGNATURES - 2;

/** @throws ServiceError SETTINGS_INVALID */
export async function readSigningKeys(
  settings: LogSignerSettings,
): Promise<{ readonly key: SignerKey; readonly witnesses: readonly Witness[] }> {
  const [key, witnesses] = await allSettings([
    parseSetting('LOG_SIGNING_KEY', () => keyOf(settings)),
    parseSetting('LOG_WITNESSES', () => witnessesOf(settings.LOG_WITNESSES ?? '')),
  ]);
  return { key, witnesses };
}

function keyOf({ LOG_SIGNING_KEY, LOG_ORIGIN }: LogSignerSettings): SignerKey {
  const key = parseSignerKey(LOG_SIGNING_KEY.reveal().trim());
  if (key.verifier.type !== SIGNATURE_TYPES.ed25519) throw new Error('must be a key of a log, not of a witness');
  if (key.verifier.name !== LOG_ORIGIN) throw new Error('must be a key with the name in LOG_ORIGIN');
  return key;
}

function witnessesOf(text: string): Witness[] {
  const lines = text
    .split(/[,\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines.length > MAX_WITNESSES) throw new Error(`must name at most ${MAX_WITNESSES} witnesses`);
  const witnesses = lines.map((line) => {
    const [verifier = '', url = '', ...others] = line.split(/\s+/);
    const key = parseVerifierKey(verifier);
    if (key.type !== SIGNATURE_TYPES.cosignature) throw new Error(`must name keys of witnesses: ${key.name} has none`);
    if (others.length > 0 || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new Error('must have the form key url[,key url…], with http or https URLs');
    return { key, url: url.replace(/\/+$/, '') };
  });
  const identities = witnesses.map(({ key: { name, id } }) => `${name}+${id}`);
  const repeated = witnesses.find((_, at) => identities.indexOf(identities[at]!) !== at);
  // A note with two signatures of one key is refused by everybody who verifies it.
  if (repeated !== undefined) throw new Error(`must name each witness once: ${repeated.key.name} is repeated`);
  return witnesses;
}

/** What the signer needs before it can work. */
export const NEEDS = {
  name: 'log-signer',
  settings: LogSignerSettings,
  bus: {
    consumes: {},
    follows: [TOPICS.auditCheckpoints],
    writes: [TOPICS.auditCheckpoints, TOPICS.facts],
    replies: 'none',
  },
  reads: LOG_SIGNER_ROLE,
  readKeys: async (settings) => {
    const { key } = await readSigningKeys(settings);
    return { logKeys: { signs: formatVerifierKey(key.verifier) } };
  },
} as const satisfies ServiceNeeds<LogSignerSettings>;
