import { createHash, createHmac, randomBytes } from 'node:crypto';
import { compactDecrypt, CompactEncrypt, decodeProtectedHeader, importJWK, type CryptoKey, type JWK } from 'jose';
import { KeyedHash, constantTimeEquals, digestOf } from './keyed-hash.js';
import { Keyring, DecryptionError } from './keyring.js';
import { pooledRandomBytes } from './pooled-random.js';
import { createReceiptKeys, ReceiptKeys } from './receipt-keys.js';
import { answerMac, createReplyKey, isAnswerMac } from './reply-seal.js';
import { createSealingKeys, PayloadSealer, PayloadOpener } from './sealed-payload.js';
import { Secret } from './secret.js';

const newKey = (): string => randomBytes(32).toString('base64url');
const CANARY = '83729164';
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('Keyring', () => {
  const key = newKey();
  const ring = new Keyring(new Secret(`a:${key}`));
  const context = ['acme', 'alice', 'pin', '1'];

  it('decrypts its own ciphertext in the same row only', () => {
    const wrapped = ring.wrap(CANARY, context);
    expect(ring.unwrap(wrapped, context)).toBe(CANARY);
    expect(wrapped.bytes.includes(CANARY)).toBe(false);
    for (const other of [
      ['acme', 'bob', 'pin', '1'],
      ['acme', 'alice', 'pin', '2'],
      ['acm', 'ealice', 'pin', '1'],
    ]) {
      expect(() => ring.unwrap(wrapped, other)).toThrow(DecryptionError);
    }
  });

  it('refuses changed bytes, a short value and an unknown key', () => {
    const wrapped = ring.wrap(CANARY, context);
    for (let at = 0; at < wrapped.bytes.length; at++) {
      const bytes = Buffer.from(wrapped.bytes);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      expect(() => ring.unwrap({ ...wrapped, bytes }, context)).toThrow(DecryptionError);
    }
    expect(() => ring.unwrap({ ...wrapped, bytes: Buffer.alloc(8) }, context)).toThrow(DecryptionError);
    expect(() => ring.unwrap({ ...wrapped, keyId: 'b' }, context)).toThrow(DecryptionError);
  });

  it('wraps with the first key and opens with every key', () => {
    const rotated = new Keyring(new Secret(`b:${newKey()},a:${key}`));
    expect(rotated.unwrap(ring.wrap(CANARY, context), context)).toBe(CANARY);
    expect(rotated.wrap(CANARY, context).keyId).toBe('b');
  });

  it.each(['', 'a', 'a:short', `a:${key},a:${key}`, `a b:${key}`])(
    'refuses a malformed keyring without showing it',
    (text) => {
      expect(() => new Keyring(new Secret(text))).toThrow(/^(must|every)/);
    },
  );
});

describe('a sealed message', () => {
  const binding = '["pin.change-requested.v1",["commandId","command-1"],["tenant","acme"]]';

  it('is opened by the private key, beside the fields that it was sealed beside and no others', async () => {
    const keys = await createSealingKeys('s1');
    const sealer = await PayloadSealer.fromKeySet(keys.publicKeys);
    const unsealer = await PayloadOpener.fromKeySet(new Secret(keys.privateKeys));
    const sealed = await sealer.seal({ pin: CANARY }, binding);
    expect(sealed).not.toContain(CANARY);
    expect(await unsealer.unseal(sealed, binding)).toEqual({ pin: CANARY });
    for (const other of [binding.replace('command-1', 'command-2'), binding.replace('acme', 'other'), ''])
      await expect(unsealer.unseal(sealed, other)).rejects.toThrow(DecryptionError);
    await expect(unsealer.unseal('nonsense', binding)).rejects.toThrow(DecryptionError);
  });

  it('is not opened by another key', async () => {
    const sealer = await PayloadSealer.fromKeySet((await createSealingKeys('s1')).publicKeys);
    const other = await PayloadOpener.fromKeySet(new Secret((await createSealingKeys('s1')).privateKeys));
    await expect(other.unseal(await sealer.seal({ pin: CANARY }, binding), binding)).rejects.toThrow(DecryptionError);
  });

  it('has other bytes each time and shares one ticket with others', async () => {
    const sealer = await PayloadSealer.fromKeySet((await createSealingKeys('s1')).publicKeys);
    const [first = '', second = ''] = await Promise.all([
      sealer.seal({ pin: CANARY }, binding),
      sealer.seal({ pin: CANARY }, binding),
    ]);
    expect(first).not.toBe(second);
    const ticketOf = (jwe: string): unknown =>
      (JSON.parse(Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString()) as { tkt: unknown }).tkt;
    expect(ticketOf(first)).toBe(ticketOf(second));
  });

  it('is not decrypted with the ticket of another sealer, or without a ticket', async () => {
    const keys = await createSealingKeys('s1');
    const unsealer = await PayloadOpener.fromKeySet(new Secret(keys.privateKeys));
    const [one = '', other = ''] = await Promise.all(
      [1, 2].map(async () => (await PayloadSealer.fromKeySet(keys.publicKeys)).seal({ pin: CANARY }, binding)),
    );
    const header = (jwe: string): string => jwe.split('.')[0] ?? '';
    await expect(unsealer.unseal(one.replace(header(one), header(other)), binding)).rejects.toThrow(DecryptionError);
    const bare = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM', bnd: 'x' })).toString('base64url');
    await expect(unsealer.unseal(one.replace(header(one), bare), binding)).rejects.toThrow(DecryptionError);
    expect(await unsealer.unseal(one, binding)).toEqual({ pin: CANARY });
  });

  it('is a JWE that jose decrypts, and a JWE of jose is decrypted', async () => {
    const { privateKeys, publicKeys } = await createSealingKeys('k1');
    const sealed = await (await PayloadSealer.fromKeySet(publicKeys)).seal({ pin: '83729164' }, binding);
    const { tkt } = decodeProtectedHeader(sealed) as { tkt: string };
    const [jwk] = (JSON.parse(privateKeys) as { keys: JWK[] }).keys;
    const { plaintext: contentKey } = await compactDecrypt(tkt, (await importJWK(jwk as JWK, 'ECDH-ES')) as CryptoKey);
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, contentKey);
    expect(JSON.parse(Buffer.from(plaintext).toString())).toEqual({ pin: '83729164' });
    expect(protectedHeader).toEqual({
      alg: 'dir',
      enc: 'A256GCM',
      tkt,
      bnd: createHash('sha256').update(binding).digest('base64url'),
    });

    const foreign = await new CompactEncrypt(Buffer.from('{"pin":"19283746"}'))
      .setProtectedHeader(protectedHeader)
      .encrypt(contentKey);
    const unsealer = await PayloadOpener.fromKeySet(new Secret(privateKeys));
    expect(await unsealer.unseal(foreign, binding)).toEqual({ pin: '19283746' });
  });

  it('is refused when any one of its characters is changed', async () => {
    const { privateKeys, publicKeys } = await createSealingKeys('k1');
    const sealed = await (await PayloadSealer.fromKeySet(publicKeys)).seal({ pin: '83729164' }, binding);
    const unsealer = await PayloadOpener.fromKeySet(new Secret(privateKeys));
    for (let at = 0; at < sealed.length; at++) {
      // The lowest bits of a part's last character are padding; the highest bit is always used.
      const other = BASE64URL[BASE64URL.indexOf(sealed[at] ?? '') ^ 32] ?? 'A';
      const changed = sealed.slice(0, at) + other + sealed.slice(at + 1);
      await expect(unsealer.unseal(changed, binding)).rejects.toThrow(DecryptionError);
    }
  });

  it('refuses to seal with a key set that holds private keys', async () => {
    const { privateKeys } = await createSealingKeys('s1');
    await expect(PayloadSealer.fromKeySet(privateKeys)).rejects.toThrow('public keys only');
  });
});

describe('the MAC of an answer', () => {
  const replyKey = createReplyKey();
  const mac = answerMac(replyKey)?.('answer') ?? '';

  it('is valid for its text and reply key only, and is no receipt key', () => {
    expect(isAnswerMac('answer', mac, replyKey)).toBe(true);
    expect(isAnswerMac('answer ', mac, replyKey)).toBe(false);
    expect(isAnswerMac('answer', mac, createReplyKey())).toBe(false);
    const bare = createHmac('sha256', Buffer.from(replyKey, 'base64url')).update('answer').digest('base64url');
    expect(isAnswerMac('answer', bare, replyKey)).toBe(false);
  });

  it('is refused with any character changed, added or removed', () => {
    for (let at = 0; at < mac.length; at++) {
      const changed = mac.slice(0, at) + (mac[at] === 'A' ? 'B' : 'A') + mac.slice(at + 1);
      expect(isAnswerMac('answer', changed, replyKey)).toBe(false);
    }
    for (const other of ['', `${mac}A`, `${mac}=`, mac.slice(1)])
      expect(isAnswerMac('answer', other, replyKey)).toBe(false);
  });

  it('is never taken for a signature, nor a signature for a MAC', () => {
    const keys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
    expect(keys.isAnswer('answer', mac)).toBe(false);
    expect(isAnswerMac('answer', keys.signAnswer('answer'), replyKey)).toBe(false);
  });

  it.each([undefined, null, 7, '', 'short', `${replyKey}AA`])('does not exist for the reply key %j', (invalid) => {
    expect(answerMac(invalid)).toBeUndefined();
    expect(isAnswerMac('answer', mac, String(invalid))).toBe(false);
  });
});

describe('pooled random bytes', () => {
  it('are never given twice, have the requested size and belong to their receiver', () => {
    const sizes = Array.from({ length: 2000 }, (_, n) => 8 + (n % 29));
    const taken = sizes.map((size) => pooledRandomBytes(size));
    expect(taken.map(({ length }) => length)).toEqual(sizes);
    // Every window of eight bytes of all of them is another one.
    const windows = taken.flatMap((bytes) =>
      Array.from({ length: bytes.length - 7 }, (_, at) => bytes.toString('hex', at, at + 8)),
    );
    expect(new Set(windows).size).toBe(windows.length);
    const [first, second] = taken as [Buffer, Buffer];
    const before = second.toString('hex');
    first.fill(255);
    expect(second.toString('hex')).toBe(before);
  });
});

describe('KeyedHash', () => {
  it('has digests that do not change, as rows hold names made of them, for every text and lone surrogates too', () => {
    expect(digestOf('phone', 'acme', '+12025550123')).toBe(
      createHash('sha256').update('5:phone4:acme12:+12025550123').digest('hex'),
    );
    for (const text of ['', '\ud800', '\udc00', 'a\ud800', 'é😀\0字']) {
      const bytes = Buffer.from(text);
      const expected = createHash('sha256').update(`1:p${bytes.length}:`).update(bytes);
      const twice = expected.copy().update(`${bytes.length}:`).update(bytes);
      expect(digestOf('p', text)).toBe(expected.digest('hex'));
      expect(digestOf('p', text, text)).toBe(twice.digest('hex'));
    }
  });

  const hash = new KeyedHash(new Secret(newKey()));

  it('gives other hashes for other purposes and for other parts', () => {
    const hashes = [hash.hash('phone', 'ab', 'c'), hash.hash('phone', 'a', 'bc'), hash.hash('caller', 'ab', 'c')];
    expect(new Set(hashes).size).toBe(3);
    expect(hash.hash('phone', 'ab', 'c')).toBe(hashes[0]);
  });

  it('depends on its key and refuses a short key', () => {
    expect(new KeyedHash(new Secret(newKey())).hash('a', 'b')).not.toBe(hash.hash('a', 'b'));
    expect(() => new KeyedHash(new Secret('short'))).toThrow('at least 32');
  });
});

test('constantTimeEquals compares content and length', () => {
  expect(constantTimeEquals('abc', 'abc')).toBe(true);
  expect(constantTimeEquals('abc', 'abd')).toBe(false);
  expect(constantTimeEquals('abc', 'abcd')).toBe(false);
});
