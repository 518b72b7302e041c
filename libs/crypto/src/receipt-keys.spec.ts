import { createLocalJWKSet, jwtVerify, SignJWT, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { DecryptionError } from './keyring.js';
import {
  createReceiptKeys,
  ReceiptKeys,
  receiptPublicKeysOf,
  ReceiptPublicKeys,
  type ReceiptClaims,
} from './receipt-keys.js';
import { createReplyKey, openReceipt, openReply, sealReply } from './reply-seal.js';
import { Secret } from './secret.js';

const NOW = 1_795_341_600;
const CLAIMS: ReceiptClaims = {
  iss: 'https://verify.example.com',
  aud: 'acme',
  sub: 'alice',
  call_id: 'call-1',
  agent: 'desk',
  level: 'verified',
  method: 'pin',
  jti: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10',
  iat: NOW,
  exp: NOW + 300,
};
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const open = (text: string): ReceiptKeys => ReceiptKeys.fromKeySet(new Secret(text));
const keyIn = (text: string): JWK => (JSON.parse(text) as { keys: [JWK] }).keys[0];
const published = (keys: ReceiptKeys): JSONWebKeySet => ({ keys: keys.published.map((key) => ({ ...key })) });
const joseOptions = { currentDate: new Date((NOW + 10) * 1000) };

describe('a receipt', () => {
  const text = createReceiptKeys('r1');
  const keys = open(text);

  it('is a JWT that jose verifies with the published keys, only for its tenant and until it expires', async () => {
    const set = createLocalJWKSet(published(keys));
    const receipt = keys.sign(CLAIMS);
    const { payload, protectedHeader } = await jwtVerify(receipt, set, { ...joseOptions, audience: 'acme' });
    expect(payload).toEqual(CLAIMS);
    expect(protectedHeader).toEqual({ alg: 'EdDSA', kid: 'r1', typ: 'JWT' });
    await expect(jwtVerify(receipt, set, { ...joseOptions, audience: 'other' })).rejects.toThrow('"aud"');
    const late = { audience: 'acme', currentDate: new Date((NOW + 301) * 1000) };
    await expect(jwtVerify(receipt, set, late)).rejects.toThrow('"exp"');
  });

  it('is the same text for the same claims', () => {
    expect(keys.sign(CLAIMS)).toBe(keys.sign({ ...CLAIMS }));
  });

  it('is verified, whether this library or jose signed it', async () => {
    expect(keys.verify(keys.sign(CLAIMS))).toEqual(CLAIMS);
    const foreign = await new SignJWT({ ...CLAIMS })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'r1' })
      .sign(await importJWK(keyIn(text), 'EdDSA'));
    expect(keys.verify(foreign)).toEqual(CLAIMS);
  });

  it('is refused when any one of its characters is changed', () => {
    const receipt = keys.sign(CLAIMS);
    for (let at = 0; at < receipt.length; at++) {
      const other = BASE64URL[BASE64URL.indexOf(receipt[at] ?? '') ^ 1] ?? 'A';
      expect(keys.verify(receipt.slice(0, at) + other + receipt.slice(at + 1))).toBeUndefined();
    }
  });

  it('is refused with another algorithm, an unknown key, a foreign signature or another form', () => {
    const [, claims = '', signature = ''] = keys.sign(CLAIMS).split('.');
    const header = (fields: object): string => Buffer.from(JSON.stringify(fields)).toString('base64url');
    const texts = [
      `${header({ alg: 'none', kid: 'r1' })}.${claims}.`,
      `${header({ alg: 'HS256', kid: 'r1' })}.${claims}.${signature}`,
      `${header({ alg: 'EdDSA' })}.${claims}.${signature}`,
      `${header({ alg: 'EdDSA', kid: 'r1', crit: ['x'] })}.${claims}.${signature}`,
      open(createReceiptKeys('r1')).sign(CLAIMS),
      open(createReceiptKeys('r2')).sign(CLAIMS),
      '',
      'a.b.c',
      'x'.repeat(100_000),
    ];
    for (const one of texts) expect(keys.verify(one)).toBeUndefined();
  });
});

describe('the keys of receipts', () => {
  it('are all published as public halves, and the first one signs', () => {
    const [before, after] = [createReceiptKeys('r1'), createReceiptKeys('r2')];
    const rotated = open(JSON.stringify({ keys: [keyIn(after), keyIn(before)] }));
    expect(rotated.published.map(({ kid }) => kid)).toEqual(['r2', 'r1']);
    expect(JSON.stringify(rotated.published)).not.toContain('"d"');
    expect(rotated.verify(open(before).sign(CLAIMS))).toEqual(CLAIMS);
    expect(open(before).verify(rotated.sign(CLAIMS))).toBeUndefined();
  });

  it('may be public keys, except for the first', () => {
    const [before, after] = [createReceiptKeys('r1'), createReceiptKeys('r2')];
    const { d: _private, ...old } = keyIn(before);
    const rotated = open(JSON.stringify({ keys: [keyIn(after), old] }));
    expect(rotated.verify(open(before).sign(CLAIMS))).toEqual(CLAIMS);
  });

  it('are refused in another form, with an error that does not contain them', () => {
    const key = keyIn(createReceiptKeys('r1'));
    const { d, ...publicKey } = key;
    const other = keyIn(createReceiptKeys('r1'));
    const { kid: _name, ...nameless } = key;
    for (const keys of [[], [publicKey], [nameless], [key, key], [{ ...key, d: 'short' }], [{ ...key, x: other.x }]]) {
      const opening = (): ReceiptKeys => open(JSON.stringify({ keys }));
      expect(opening).toThrow(/^must/);
      expect(opening).not.toThrow(String(d));
    }
    for (const text of ['', 'null', '{}', '{"keys":[{"kty":"RSA"}]}']) expect(() => open(text)).toThrow(/^must/);
  });
});

describe('a signed answer', () => {
  const text = createReceiptKeys('r1');
  const keys = open(text);
  const adapter = ReceiptPublicKeys.fromPublicKeySet(receiptPublicKeysOf(new Secret(text)));

  it('is accepted by the public keys, but not with another text, key or signature', () => {
    const proof = keys.signAnswer('answer');
    expect(adapter.isAnswer('answer', proof)).toBe(true);
    expect(adapter.isAnswer('answer ', proof)).toBe(false);
    for (const other of ['r1', 'r2']) {
      expect(adapter.isAnswer('answer', open(createReceiptKeys(other)).signAnswer('answer'))).toBe(false);
    }
    for (let at = 0; at < proof.length; at++) {
      const changed = proof.slice(0, at) + (proof[at] === 'A' ? 'B' : 'A') + proof.slice(at + 1);
      expect(adapter.isAnswer('answer', changed)).toBe(false);
    }
    for (const none of ['', '.', 'r1', 'r1.', `${proof}.`, `${proof}A`])
      expect(adapter.isAnswer('answer', none)).toBe(false);
  });

  it('is never accepted as a receipt, nor a receipt as an answer', () => {
    const receipt = keys.sign(CLAIMS);
    const [header = '', claims = '', signature = ''] = receipt.split('.');
    expect(adapter.verify(receipt)).toEqual(CLAIMS);
    expect(adapter.isAnswer(`${header}.${claims}`, `r1.${signature}`)).toBe(false);
    const [, answered = ''] = keys.signAnswer(`${header}.${claims}`).split('.');
    expect(adapter.verify(`${header}.${claims}.${answered}`)).toBeUndefined();
  });

  it('is accepted under the old and the new key while both public halves are published', () => {
    const [before, after] = [createReceiptKeys('r1'), createReceiptKeys('r2')];
    const both = JSON.stringify({ keys: [keyIn(after), keyIn(before)] });
    const rotating = ReceiptPublicKeys.fromPublicKeySet(receiptPublicKeysOf(new Secret(both)));
    for (const signer of [open(before), open(both)]) {
      expect(rotating.isAnswer('answer', signer.signAnswer('answer'))).toBe(true);
    }
    const old = ReceiptPublicKeys.fromPublicKeySet(receiptPublicKeysOf(new Secret(before)));
    expect(old.isAnswer('answer', open(both).signAnswer('answer'))).toBe(false);
  });

  it('needs a set of public keys: private, missing and malformed keys are refused', () => {
    const bad = [
      text,
      '{"keys":[]}',
      '',
      'null',
      '{"keys":[{"kty":"RSA"}]}',
      '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"a.b"}]}',
    ];
    for (const one of bad) expect(() => ReceiptPublicKeys.fromPublicKeySet(one)).toThrow(/^must/);
    expect(() => ReceiptPublicKeys.fromPublicKeySet(text)).not.toThrow(String(keyIn(text).d));
  });
});

describe('an encrypted reply', () => {
  it('is decrypted with the key of its request and with no other', () => {
    const [key, other] = [createReplyKey(), createReplyKey()];
    const sealed = sealReply('83729164', key) ?? '';
    expect(sealed).not.toContain('83729164');
    expect(openReply(sealed, key)).toBe('83729164');
    for (const wrong of [other, '', 'short']) expect(() => openReply(sealed, wrong)).toThrow(DecryptionError);
    expect(() => openReply(`${sealed}A`, key)).toThrow(DecryptionError);
    expect(() => openReply('83729164', key)).toThrow(DecryptionError);
  });

  it('is not created when the request has no valid key', () => {
    for (const none of [undefined, null, 7, '', 'short']) expect(sealReply('text', none)).toBeUndefined();
  });

  it('is accepted only with a receipt of the same reply', () => {
    const key = createReplyKey();
    const sealed = sealReply(open(createReceiptKeys('r1')).sign(CLAIMS), key);
    const { aud, sub, agent, call_id, level, method, jti } = CLAIMS;
    const its = { aud, sub, agent, call_id, level, method, jti };
    const opened = openReceipt(sealed, key, its);
    expect([opened.receipt.split('.').length, opened.exp]).toEqual([3, CLAIMS.exp]);
    for (const name of Object.keys(its)) {
      expect(() => openReceipt(sealed, key, { ...its, [name]: 'another' })).toThrow(DecryptionError);
      expect(() => openReceipt(sealed, key, { ...its, [name]: undefined })).toThrow(DecryptionError);
    }
    expect(() => openReceipt(undefined, key, its)).toThrow(DecryptionError);
    expect(() => openReceipt(sealReply('no receipt', key), key, its)).toThrow(DecryptionError);
    expect(() => openReceipt(sealed, createReplyKey(), its)).toThrow(DecryptionError);
  });
});
