import { randomBytes } from 'node:crypto';
import argon2 from 'argon2';
import { Keyring, Secret } from '@countersign/crypto';
import { eventually } from '@countersign/testing';
import { asCountedAttempt } from '../attempts/counted-attempt.decision.js';
import { type StoredCredential } from './credential.decision.js';
import { NodeRsArgon2 } from './argon2/node-rs-argon2.js';
import { ArgonPinVault } from './pin-vault.store.js';

const PIN = '83729164';
const COST = { memoryKib: 19_456, passes: 2, lanes: 1 };
const ROW = {
  ...({ kind: 'pin', tenant: 'acme', subject: 'alice', version: 1 } as const),
  ...{ cap: 10, mustChange: false, enrolledAt: '1764000000000001' },
};
const CONTEXT = ['pin', 'acme', 'alice', '1', '10', 'false', '1764000000000001'];

const TRY = {
  attemptId: 'a',
  number: 1,
  granted: true,
  chargedLock: false,
  chargedDisable: false,
  disabled: false,
  unrecognized: true,
  remaining: 2,
  countedAt: '2026-11-27T10:00:00.000Z',
};
const GRANTED = asCountedAttempt(TRY);

const keyring = new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`));
const vault = await ArgonPinVault.open({ keyring, cost: COST, concurrency: 2, queueLimit: 10 });
/** For what does not depend on cost and needs many hashes. */
const cheap = await ArgonPinVault.open({
  keyring,
  cost: { memoryKib: 8, passes: 1, lanes: 1 },
  concurrency: 2,
  queueLimit: 10,
});

async function compare(guess: string, credential: StoredCredential | undefined): Promise<boolean> {
  const slot = vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
  if (!slot) throw new Error('the queue is full');
  try {
    return await slot.compare(GRANTED, guess, credential);
  } finally {
    slot.release();
  }
}

async function compareAnswers(
  guess: ReadonlyMap<string, string>,
  credential: StoredCredential | undefined,
): Promise<boolean> {
  const slot = cheap.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
  if (!slot) throw new Error('the queue is full');
  try {
    return await slot.compareAnswers(GRANTED, guess, credential);
  } finally {
    slot.release();
  }
}

const stored = (phc: string): StoredCredential => {
  const { keyId, bytes } = keyring.wrap(JSON.stringify([phc]), CONTEXT);
  return { ...ROW, keyId, wrapped: bytes };
};

describe('the PIN vault', () => {
  it('accepts the stored PIN and no other', async () => {
    const credential = { ...ROW, ...(await vault.prepare(PIN, 'acme'))(ROW) };
    expect(await compare(PIN, credential)).toBe(true);
    expect(await compare('19283746', credential)).toBe(false);
    expect(await compare('', credential)).toBe(false);
    expect(await compare(PIN, undefined)).toBe(false);
  });

  it('never accepts an attempt that was not granted, even with the right PIN', async () => {
    const credential = { ...ROW, ...(await vault.prepare(PIN, 'acme'))(ROW) };
    const slot = vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
    expect(await slot?.compare(asCountedAttempt({ ...TRY, granted: false }), PIN, credential)).toBe(false);
    slot?.release();
  });

  it('computes one hash of the same cost for a wrong PIN, for no PIN and for an attempt that was not granted', async () => {
    const costs: string[] = [];
    class RecordingArgon2 extends NodeRsArgon2 {
      override verify(phc: string, secret: string): Promise<boolean> {
        costs.push(phc.split('$').slice(0, 4).join('$'));
        return super.verify(phc, secret);
      }
    }
    const cost = { memoryKib: 8, passes: 1, lanes: 1 };
    const argon = new RecordingArgon2();
    const recorded = await ArgonPinVault.open({ keyring, cost, concurrency: 1, queueLimit: 4, argon2: argon });
    const credential = { ...ROW, ...(await recorded.prepare(PIN, 'acme'))(ROW) };
    const notGranted = asCountedAttempt({ ...TRY, granted: false });
    const slot = recorded.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
    await slot?.compare(GRANTED, '19283746', credential);
    await slot?.compare(GRANTED, '19283746', undefined);
    await slot?.compare(notGranted, PIN, credential);
    await slot?.compare(notGranted, PIN, undefined);
    slot?.release();
    expect(costs).toEqual(Array.from({ length: 4 }, () => '$argon2id$v=19$m=8,t=1,p=1'));
  });

  it('is compatible with another argon2 implementation in both directions', async () => {
    const credential = (await vault.prepare(PIN, 'acme'))(ROW);
    const plain = keyring.unwrap({ keyId: credential.keyId, bytes: credential.wrapped }, CONTEXT);
    const [phc = ''] = JSON.parse(plain) as string[];
    expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await argon2.verify(phc, PIN)).toBe(true);
    const foreign = await argon2.hash(PIN, { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 });
    expect(await compare(PIN, stored(foreign))).toBe(true);
  });

  it('accepts answers only when all of them are right', async () => {
    const row = { ...ROW, kind: 'knowledge' } as const;
    const answers = new Map([...'abc'].map((name) => [name, `answer ${name}`]));
    const credential = { ...row, ...(await cheap.prepareAnswers(answers, 'acme'))(row) };
    const given = (changes: [string, string][]) => compareAnswers(new Map([...answers, ...changes]), credential);
    expect(await given([])).toBe(true);
    expect(await compareAnswers(new Map([['b', 'answer b']]), credential)).toBe(true);
    for (const name of 'abc') {
      expect(await given([[name, 'wrong']])).toBe(false);
      expect(await given([[name, '']])).toBe(false);
    }
    expect(await given([['d', 'answer d']])).toBe(false);
    expect(await given([['constructor', '']])).toBe(false);
    expect(await compareAnswers(new Map(), credential)).toBe(false);
    expect(await compareAnswers(answers, undefined)).toBe(false);
  });

  it('refuses answers as a PIN and a PIN as answers', async () => {
    const pin = { ...ROW, ...(await cheap.prepare(PIN, 'acme'))(ROW) };
    const broken = { code: 'CREDENTIAL_BROKEN' };
    await expect(compareAnswers(new Map([['a', PIN]]), { ...pin, kind: 'knowledge' })).rejects.toMatchObject(broken);
  });

  describe('with another cost than when answers were enrolled', () => {
    const row = { ...ROW, kind: 'knowledge' } as const;
    const answers = new Map([...'abc'].map((name) => [name, `answer ${name}`]));
    const some = new Map([...answers].slice(0, 2));
    /** What a guess has written in the place of what is stored, once nothing waits any more. */
    async function rehashed(guess: ReadonlyMap<string, string>, attempt = GRANTED) {
      const old = { ...row, ...(await cheap.prepareAnswers(answers, 'acme'))(row) };
      const written: { old: StoredCredential; hashes: Map<string, string> }[] = [];
      const dearer = await ArgonPinVault.open({
        keyring,
        cost: { memoryKib: 16, passes: 1, lanes: 1 },
        concurrency: 1,
        queueLimit: 1,
        replace: (from, { keyId, wrapped: bytes }) => {
          const plain = keyring.unwrap({ keyId, bytes }, ['knowledge', ...CONTEXT.slice(1)]);
          written.push({ old: from, hashes: new Map(JSON.parse(plain) as [string, string][]) });
          return Promise.resolve();
        },
      });
      const slot = dearer.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
      const right = await slot?.compareAnswers(attempt, guess, old);
      expect([dearer.waiting, written]).toEqual([0, []]);
      slot?.release();
      // Each waits behind one hash of what was to be made anew: after as many as there are answers nothing is left of it.
      for (let n = 0; n < 4; n++) await dearer.prepare(PIN, 'acme');
      return { right, written, old };
    }

    it('hashes right answers again in one write after the slot is released, and keeps all other hashes', async () => {
      const { right, written, old } = await rehashed(some);
      expect(right).toBe(true);
      await eventually('the hashes were made anew', () => written.length === 1);
      expect(written[0]?.old).toEqual(old);
      const hashes = written[0]?.hashes ?? new Map<string, string>();
      expect([...hashes.keys()]).toEqual(['a', 'b', 'c']);
      for (const [name, phc] of hashes) {
        expect(phc).toContain(name === 'c' ? 'm=8,t=1,p=1' : 'm=16,t=1,p=1');
        expect(await argon2.verify(phc, `answer ${name}`)).toBe(true);
      }
    });

    it.each([
      ['one answer is wrong', new Map([...some, ['c', 'wrong']]), GRANTED],
      ['one answer was never enrolled', new Map([...some, ['d', 'answer d']]), GRANTED],
      ['nothing is answered', new Map<string, string>(), GRANTED],
      ['the attempt was not granted', answers, asCountedAttempt({ ...TRY, granted: false })],
    ])('hashes no answer again when %s', async (_, guess, attempt) => {
      const { right, written } = await rehashed(guess, attempt);
      expect([right, written]).toEqual([false, []]);
    });
  });

  it('finds the position of a PIN among the last five, and none when the credential does not decrypt', async () => {
    const pins = ['19283746', PIN, '55667', '482139', '90817', '8305'];
    let inForce: StoredCredential | undefined;
    for (const [at, pin] of pins.entries()) {
      const row = { ...ROW, version: at + 1 };
      inForce = { ...row, ...(await cheap.prepare(pin, 'acme', inForce))(row) };
    }
    const places = await Promise.all(pins.map((pin) => cheap.positionInHistory(pin, inForce)));
    expect(places).toEqual([-1, 4, 3, 2, 1, 0]);
    const again = { ...ROW, version: 7 };
    const same = { ...again, ...(await cheap.prepare('8305', 'acme', inForce, true))(again) };
    expect([await cheap.positionInHistory('8305', same), await cheap.positionInHistory(PIN, same)]).toEqual([0, 4]);
    expect(await cheap.positionInHistory(PIN, undefined)).toBe(-1);
    expect(await cheap.positionInHistory(PIN, { ...same, version: 8 })).toBe(-1);
  });

  it('decrypts a credential in its own row, and in no row with a changed column', async () => {
    const credential = { ...ROW, ...(await vault.prepare(PIN, 'acme'))(ROW) };
    expect(await compare(PIN, credential)).toBe(true);
    const changes: Partial<StoredCredential>[] = [
      ...[{ tenant: 'other' }, { subject: 'bob' }, { kind: 'knowledge' as const }, { version: 2 }],
      ...[{ cap: 50 }, { mustChange: true }, { enrolledAt: '1764000000000002' }],
    ];
    for (const change of changes)
      await expect(compare(PIN, { ...credential, ...change })).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
  });

  it('refuses parameters out of bounds before it allocates for them', async () => {
    const salted = '$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    for (const parameters of ['m=4194304,t=2,p=1', 'm=19456,t=100,p=1', 'm=19456,t=2,p=200']) {
      const credential = stored(`$argon2id$v=19$${parameters}${salted}`);
      await expect(compare(PIN, credential)).rejects.toMatchObject({ code: 'CREDENTIAL_BROKEN' });
    }
  });

  it('reserves no more hash slots than the pool and its queue have, and releases them', async () => {
    const small = await ArgonPinVault.open({ keyring, cost: { ...COST, memoryKib: 8 }, concurrency: 1, queueLimit: 2 });
    const slots = ['acme', 'acme', 'other'].map((tenant) => small.reserve({ tenant, agent: 'desk', caller: 'c' }));
    expect(small.load).toBe(3);
    expect(small.reserve({ tenant: 'third', agent: 'desk', caller: 'c' })).toBeUndefined();
    await Promise.all(slots.flatMap((slot) => (slot ? [slot.compare(GRANTED, PIN, undefined)] : [])));
    for (const slot of slots) {
      slot?.release();
      slot?.release();
    }
    expect(small.load).toBe(0);
  });
});
