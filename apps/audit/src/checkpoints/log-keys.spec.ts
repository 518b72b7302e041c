import { createSignerKey, formatVerifierKey, parseSignerKey, SIGNATURE_TYPES } from '@countersign/transparency-log';
import { parseLogKeys } from './log-keys.js';

const ORIGIN = 'log.example/audit';
const privateKey = createSignerKey(ORIGIN);
const publicKeyOf = (text: string): string => formatVerifierKey(parseSignerKey(text).verifier);
const [current, earlier] = [publicKeyOf(privateKey), publicKeyOf(createSignerKey(ORIGIN))];

describe('LOG_PUBLIC_KEYS', () => {
  it.each([
    ['commas', `${current},${earlier}`],
    ['line breaks', `${current}\r\n${earlier}\n`],
    ['both and spaces', ` ${current} ,\n ${earlier},`],
  ])('can separate keys by %s, and the first one is the current one', (_, text) => {
    expect(parseLogKeys(text, ORIGIN).map(formatVerifierKey)).toEqual([current, earlier]);
  });

  it.each([
    ['a private key', privateKey, /form name\+hash\+base64/],
    ['a key with a wrong id', current.replace(/\+[0-9a-f]{8}\+/, '+00000000+'), /form name\+hash\+base64/],
    ['a key of another log', publicKeyOf(createSignerKey('log.example/other')), /LOG_ORIGIN/],
    ['a key of a witness', publicKeyOf(createSignerKey(ORIGIN, SIGNATURE_TYPES.cosignature)), /LOG_ORIGIN/],
    ['the same key twice', `${current},${current}`, /each key once/],
  ])('refuse %s without printing it', (_, text, reason) => {
    const parse = (): unknown => parseLogKeys(text, ORIGIN);
    expect(parse).toThrow(reason);
    expect(parse).not.toThrow(text);
  });
});
