import { randomBytes, randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { type Method } from '@countersign/contracts';
import { Keyring, Secret } from '@countersign/crypto';
import { credentialContext } from '@countersign/stored-secrets';
import { eventually } from '@countersign/testing';
import { type KnowledgeAnswers, type StoredCredential } from './credential.decision.js';
import { attemptOf, POLICY, countedOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { replaceCredential } from './credential-rehash.store.js';
import { ArgonPinVault } from './pin-vault.store.js';
import { credentialOf } from '../../test/subject-store.contract.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';

// Machines that do other work beside them.
jest.setTimeout(60_000);

const PIN = '83729164';
const ANSWERS: KnowledgeAnswers = new Map([...'abc'].map((name) => [name, `answer ${name}`]));
/** `wrong` in the place of the last. */
const NOT_ALL_RIGHT: KnowledgeAnswers = new Map([...ANSWERS, ['c', 'wrong']]);
const [OLD, NEW] = ['m=64,t=1,p=1', 'm=64,t=2,p=1'];
const random = (): string => randomBytes(32).toString('base64url');
const keyring = new Keyring(new Secret(`k1:${random()}`));
const wake = (): void => undefined;

let tables: TestTables;
let subjects: PostgresSubjectStore;
let attempts: PostgresAttemptGate;
/** With the cost that was set when secrets were enrolled, and with the one that is set now. */
let before: ArgonPinVault;
let now: ArgonPinVault;
/** A subject of its own for each test. */
let alice: string;

beforeAll(async () => {
  tables = await openTestTables();
  subjects = new PostgresSubjectStore(tables.service, keyring, TEST_HASH, TEST_HASH, wake);
  attempts = new PostgresAttemptGate(tables.service, TEST_HASH, wake);
  const vault = (passes: number): Promise<ArgonPinVault> =>
    ArgonPinVault.open({
      ...{ keyring, cost: { memoryKib: 64, passes, lanes: 1 }, concurrency: 2, queueLimit: 100 },
      replace: replaceCredential(tables.service),
    });
  before = await vault(1);
  now = await vault(2);
});

afterAll(() => tables.close());

beforeEach(async () => {
  alice = `customer-${randomUUID()}`;
  await subjects.change(randomUUID(), 'acme', alice, {});
});

async function enrol(secret: string | KnowledgeAnswers): Promise<StoredCredential> {
  const kind = typeof secret === 'string' ? 'pin' : 'knowledge';
  const replaces = (await subjects.enrolled(randomUUID(), 'acme', alice, kind))?.version ?? 0;
  const wrap = await (typeof secret === 'string'
    ? before.prepare(secret, 'acme')
    : before.prepareAnswers(secret, 'acme'));
  await subjects.enrol(randomUUID(), 'acme', alice, credentialOf({ kind, replaces, wrap }));
  return stored(kind);
}

async function stored(kind: StoredCredential['kind']): Promise<StoredCredential> {
  const { credential } = await subjects.find('acme', 'id', alice, kind === 'knowledge' ? kind : 'pin');
  if (credential === undefined) throw new Error('nothing is enrolled');
  return credential;
}

/** With the proof of a try that was counted, as the gate gives it. */
async function compare(guess: string | KnowledgeAnswers, credential: StoredCredential): Promise<boolean> {
  const slot = now.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
  if (!slot) throw new Error('the queue is full');
  try {
    const counted = countedOf(await attempts.count(attemptOf(), POLICY));
    if (typeof guess === 'string') return await slot.compare(counted, guess, credential);
    return await slot.compareAnswers(counted, guess, credential);
  } finally {
    slot.release();
  }
}

/** Argon2 parameters of what is stored, hash by hash. */
function costs(credential: StoredCredential): (string | undefined)[] {
  const { keyId, wrapped: bytes } = credential;
  const plain = keyring.unwrap({ keyId, bytes }, credentialContext(credential));
  return [...plain.matchAll(/m=\d+,t=\d+,p=\d+/g)].map(([cost]) => cost);
}

/** Waits until nothing is left that a success has asked for. */
const settled = (kind: Method, wanted: string[]): Promise<StoredCredential> =>
  eventually('the hashes were made anew', async () => {
    const credential = await stored(kind);
    return costs(credential).join() === wanted.join() && credential;
  });

describe('a success with hashes of another cost', () => {
  it('hashes the PIN again after the slot is released, in the same version', async () => {
    const old = await enrol(PIN);
    expect(await compare(PIN, old)).toBe(true);
    const anew = await settled('pin', [NEW]);
    expect(anew.version).toBe(old.version);
    expect(await compare(PIN, anew)).toBe(true);
    expect(await compare('19283746', anew)).toBe(false);
  });

  it('hashes all answers again after the slot is released, in the same version', async () => {
    const old = await enrol(ANSWERS);
    expect(await compare(ANSWERS, old)).toBe(true);
    const anew = await settled('knowledge', [NEW, NEW, NEW]);
    expect(anew.version).toBe(old.version);
    expect(await compare(ANSWERS, anew)).toBe(true);
    expect(await compare(NOT_ALL_RIGHT, anew)).toBe(false);
  });

  it('keeps the hash of an answer that was not asked for, until it is', async () => {
    const old = await enrol(ANSWERS);
    expect(await compare(new Map([...ANSWERS].slice(0, 2)), old)).toBe(true);
    const some = await settled('knowledge', [NEW, NEW, OLD]);
    expect(await compare(ANSWERS, some)).toBe(true);
    expect(await compare(ANSWERS, await settled('knowledge', [NEW, NEW, NEW]))).toBe(true);
  });

  it('loses no answer when successes at different questions come at once', async () => {
    const old = await enrol(ANSWERS);
    const parts = [...ANSWERS].map((answer) => new Map([answer]));
    expect(await Promise.all(parts.map((part) => compare(part, old)))).toEqual([true, true, true]);
    // A hash that was not replaced because of a concurrent write is replaced at the next success.
    await eventually('all hashes were made anew', async () => {
      const credential = await stored('knowledge');
      for (const part of parts) expect(await compare(part, credential)).toBe(true);
      return costs(credential).every((cost) => cost === NEW);
    });
    expect(await compare(ANSWERS, await stored('knowledge'))).toBe(true);
  });

  it.each([
    ['a PIN', PIN, '19283746'],
    ['answers', ANSWERS, new Map([...ANSWERS].map(([name]) => [name, 'another']))],
  ])('does not undo an enrolment of %s that came before its new hash', async (_, first, second) => {
    const old = await enrol(first);
    const newest = await enrol(second);
    expect(await compare(first, old)).toBe(true);
    await replaceCredential(tables.service)(old, { keyId: 'k1', wrapped: randomBytes(60) });
    await replaceCredential(tables.service)({ ...old, version: 2 }, { keyId: 'k1', wrapped: randomBytes(60) });
    await eventually('nothing waits any more', () => now.waiting === 0);
    expect(await stored(newest.kind)).toEqual(newest);
    expect(await compare(second, newest)).toBe(true);
  });
});

describe('a failure', () => {
  it.each([
    ['a PIN', PIN, '19283746'],
    ['answers, of which all but one were right', ANSWERS, NOT_ALL_RIGHT],
  ])('makes no hash of %s anew', async (_, right, wrong) => {
    const old = await enrol(right);
    expect(await compare(wrong, old)).toBe(false);
    await eventually('nothing waits any more', () => now.waiting === 0);
    expect(await stored(old.kind)).toEqual(old);
  });
});
