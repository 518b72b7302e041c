import { Secret } from '@countersign/crypto';
import {
  createSignerKey,
  formatVerifierKey,
  parseSignerKey,
  SIGNATURE_TYPES,
  type SignerKey,
} from '@countersign/transparency-log';
import { KEY_TEXT, ORIGIN } from '../test/signing-bed.js';
import { LogSignerSettings } from './log-signer.settings.js';
import { readSigningKeys } from './needs.js';

const witness = (name: string): SignerKey => parseSignerKey(createSignerKey(name, SIGNATURE_TYPES.cosignature));
const [one, two] = [witness('witness.example/w1'), witness('witness.example/w1')];
const lineOf = ({ verifier }: SignerKey, url: string): string => `${formatVerifierKey(verifier)} ${url}`;
const witnessesOf = async (...lines: string[]): Promise<string[]> => {
  const keys = { LOG_ORIGIN: ORIGIN, LOG_SIGNING_KEY: new Secret(KEY_TEXT) };
  const settings = Object.assign(new LogSignerSettings(), { ...keys, LOG_WITNESSES: lines.join(',') });
  return (await readSigningKeys(settings)).witnesses.map(({ url }) => url);
};

describe('the setting LOG_WITNESSES', () => {
  it('names witnesses with different keys, also under one name', async () => {
    const lines = [lineOf(one, 'https://a.example/'), lineOf(two, 'https://b.example')];
    expect(await witnessesOf(...lines)).toEqual(['https://a.example', 'https://b.example']);
  });

  it('is refused with one witness twice: verifiers refuse a note with two signatures of one key', async () => {
    for (const url of ['https://a.example', 'https://b.example'])
      await expect(witnessesOf(lineOf(one, 'https://a.example'), lineOf(two, url), lineOf(one, url))).rejects.toThrow(
        'LOG_WITNESSES must name each witness once: witness.example/w1 is repeated',
      );
  });
});
