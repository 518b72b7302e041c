import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint } from 'jose';
import { KeyedHash } from './keyed-hash.js';
import { Keyring } from './keyring.js';
import { createReceiptKeys, ReceiptKeys } from './receipt-keys.js';
import { createSealingKeys, PayloadSealer, PayloadOpener } from './sealed-payload.js';
import { Secret } from './secret.js';

const newKey = (): string => randomBytes(32).toString('base64url');

describe('the check value of a key', () => {
  it('is the same for both halves of a sealing pair: the thumbprint of RFC 7638', async () => {
    const { privateKeys, publicKeys } = await createSealingKeys('s1');
    const { check } = await PayloadSealer.fromKeySet(publicKeys);
    const { checks } = await PayloadOpener.fromKeySet(new Secret(privateKeys));
    expect(checks).toEqual([check]);
    const [jwk] = (JSON.parse(publicKeys) as { keys: Parameters<typeof calculateJwkThumbprint>[0][] }).keys;
    const thumbprint = await calculateJwkThumbprint(jwk ?? {});
    expect(check).toEqual({ keyId: 's1', value: Buffer.from(thumbprint, 'base64url').toString('hex') });
  });

  it('differs between keys and contains nothing of the key', () => {
    const [a, b] = [newKey(), newKey()];
    const values = [a, b].map((key) => new KeyedHash(new Secret(key)).checks[0]?.value ?? '');
    expect(values[0]).not.toBe(values[1]);
    expect(values[0]).not.toContain(Buffer.from(a, 'base64url').toString('hex').slice(0, 16));
    expect(new Keyring(new Secret(`k1:${a},k2:${b}`)).checks.map(({ value }) => value)).toEqual(values);
    expect(ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1'))).checks).toEqual([
      { keyId: 'r1', value: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });
});

describe('a keyed hash with several keys', () => {
  it('hashes under the first key and gives the hashes under all keys in their order', () => {
    const [current, old] = [newKey(), newKey()];
    const hash = new KeyedHash(new Secret(`${current},${old}`));
    const alone = [current, old].map((key) => new KeyedHash(new Secret(key)).hash('phone', 'acme', '+12025550123'));
    expect(hash.hash('phone', 'acme', '+12025550123')).toBe(alone[0]);
    expect(hash.hashes('phone', 'acme', '+12025550123')).toEqual(alone);
  });

  it.each(['', 'c2hvcnQ', `${newKey()},`, `${newKey()},c2hvcnQ`])('refuses a key that is too short (%#)', (keys) => {
    expect(() => new KeyedHash(new Secret(keys))).toThrow('at least 32 random bytes');
  });

  it('refuses more than four keys, because messages hold names under at most four', () => {
    const keys = Array.from({ length: 5 }, newKey);
    expect(() => new KeyedHash(new Secret(keys.join(',')))).toThrow('must hold at most 4 keys');
    expect(new KeyedHash(new Secret(keys.slice(1).join(','))).singleKeys).toHaveLength(4);
  });

  it('refuses the same key twice', () => {
    const key = newKey();
    expect(() => new KeyedHash(new Secret(`${key}, ${key}`))).toThrow('must not hold a key twice');
  });
});
