import { randomBytes } from 'node:crypto';
import { Keyring, withFirstKey, withNewKey } from './keyring.js';
import { Secret } from './secret.js';

const entry = (id: string): string => `${id}:${randomBytes(32).toString('base64url')}`;
const idsOf = (ring: Secret): string[] =>
  ring
    .reveal()
    .split(',')
    .map((one) => one.split(':')[0] ?? '');

describe('a change of keys', () => {
  it('adds a first key, which encrypts from then on, while older ciphertexts still decrypt', () => {
    const before = new Secret(entry('k1'));
    const wrapped = new Keyring(before).wrap('text', ['row']);
    const { ring, id } = withNewKey(before, 'first');
    expect([id, idsOf(ring)]).toEqual(['k2', ['k2', 'k1']]);
    expect(new Keyring(ring).unwrap(wrapped, ['row'])).toBe('text');
    expect(new Keyring(ring).wrap('text', ['row']).keyId).toBe('k2');
  });

  it('adds a last key, which only decrypts until it is moved to the front', () => {
    const { ring, id } = withNewKey(new Secret(`${entry('k7')}, ${entry('vault')}`), 'last');
    expect(idsOf(ring)).toEqual(['k7', 'vault', 'k8']);
    expect(idsOf(withFirstKey(ring, id))).toEqual(['k8', 'k7', 'vault']);
    expect(() => withFirstKey(ring, 'k9')).toThrow('has no key of that id');
  });

  it('never creates the same key twice, and refuses a malformed keyring', () => {
    const ring = new Secret(entry('k1'));
    expect(withNewKey(ring, 'first').ring.reveal()).not.toBe(withNewKey(ring, 'first').ring.reveal());
    expect(() => withNewKey(new Secret('k1:short'), 'first')).toThrow('32 bytes');
  });
});
