import { randomUUID } from 'node:crypto';
import { entityTagOf, taggedPartOfSubject, type Method } from '@countersign/contracts';
import { type ProfileChange } from '../src/subjects/profiles/profile.decision.js';
import { type AttemptToCount, type AttemptGate } from '../src/attempts/attempts.ports.js';
import { type CredentialRow, type WrappedCredential } from '../src/credentials/credential.decision.js';
import { type NewCredential } from '../src/credentials/credentials.ports.js';
import { type SubjectQuery, type SubjectStore } from '../src/subjects/subjects.ports.js';
import { attemptOf, POLICY, countedOf, outcomeOf } from './attempt-gate.contract.js';

export interface SubjectBed {
  readonly store: SubjectStore;
  /** Lets time pass for both stores. */
  advance(seconds: number): Promise<void>;
  /** Over the same counters. */
  readonly attempts: AttemptGate;
  /** Keyed hash of a telephone number, as a verification names it. */
  phone(tenant: string, e164: string): string;
}

/** Wraps nothing: what was stored names the row that it was stored for. */
const wrap = ({ kind, tenant, subject, version }: CredentialRow): WrappedCredential => ({
  keyId: 'k1',
  wrapped: Buffer.from([kind, tenant, subject, version].join('/')),
});

export function credentialOf(more: Partial<NewCredential> = {}): NewCredential {
  return { kind: 'pin', replaces: 0, again: false, mustChange: false, cap: 10, by: 'administrator', wrap, ...more };
}

/** What every subject store promises; run on the fake and on PostgreSQL. */
export function subjectStoreContract(open: () => Promise<SubjectBed>): void {
  let bed: SubjectBed;
  beforeAll(async () => {
    bed = await open();
  });

  /** A tenant of its own for each test. */
  const create = async (phones: string[] = []): Promise<string> => {
    const tenant = `t-${randomUUID().slice(0, 8)}`;
    await bed.store.change(randomUUID(), tenant, 'alice', { phones, displayName: 'Alice' });
    return tenant;
  };
  const enrol = (tenant: string, more: Partial<NewCredential> = {}, commandId: string = randomUUID()) =>
    bed.store.enrol(commandId, tenant, 'alice', credentialOf(more));
  const enrolled = async (tenant: string, kind: 'pin' | 'knowledge' = 'pin', commandId: string = randomUUID()) => {
    const found = await bed.store.enrolled(commandId, tenant, 'alice', kind);
    return found && { ...found, inForce: found.inForce?.wrapped.toString() };
  };

  it('finds a subject by id and by number, with the credential of the method and no other', async () => {
    const tenant = await create(['+12025550123']);
    await enrol(tenant);
    const byPhone = await bed.store.find(tenant, 'phone', bed.phone(tenant, '+12025550123'), 'pin');
    expect(byPhone).toMatchObject({ id: 'alice', displayName: 'Alice', mustChange: false });
    expect(byPhone.credential).toMatchObject({ kind: 'pin', tenant, subject: 'alice', version: 1, keyId: 'k1' });
    expect((await bed.store.find(tenant, 'id', 'alice', 'knowledge')).credential).toBeUndefined();
    await enrol(tenant, { kind: 'knowledge' });
    const byId = await bed.store.find(tenant, 'id', 'alice', 'knowledge');
    expect(byId.credential).toMatchObject({ kind: 'knowledge', version: 1 });
    expect(byId.credential?.wrapped.toString()).toBe(`knowledge/${tenant}/alice/1`);
    expect(byId.referenceKey).toBe(byPhone.referenceKey);
  });

  it('finds no subject of another tenant', async () => {
    const tenant = await create(['+12025550123']);
    await enrol(tenant);
    const other = await create();
    const number = bed.phone(tenant, '+12025550123');
    expect(await bed.store.find(other, 'phone', number, 'pin')).toMatchObject({ id: undefined, credential: undefined });
    expect((await bed.store.find(other, 'id', 'alice', 'pin')).credential).toBeUndefined();
    expect(await bed.store.enrolled(randomUUID(), other, 'bob', 'pin')).toBeUndefined();
    expect(await bed.store.state(other, 'bob', POLICY.windowSeconds)).toBeUndefined();
  });

  it('assigns a number to one subject of a tenant, and changes nothing when the number is taken', async () => {
    const tenant = await create(['+12025550123', '+12025550124']);
    const change = (subject: string, phones: string[]) => bed.store.change(randomUUID(), tenant, subject, { phones });
    expect(await change('bob', ['+12025550125', '+12025550124'])).toBe('taken');
    expect(await bed.store.state(tenant, 'bob', POLICY.windowSeconds)).toBeUndefined();
    expect((await bed.store.find(tenant, 'phone', bed.phone(tenant, '+12025550125'), 'pin')).id).toBeUndefined();
    expect(await change('alice', ['+12025550123'])).toBe('updated');
    expect(await change('bob', ['+12025550124'])).toBe('created');
  });

  it('keeps the fields of a profile that a change leaves out, and clears those that it sets to null', async () => {
    const tenant = await create(['+12025550123']);
    const change = (fields: ProfileChange) => bed.store.change(randomUUID(), tenant, 'alice', fields, true);
    const known = async () => {
      const { displayName, locale } = await bed.store.find(tenant, 'id', 'alice', 'pin');
      const found = await bed.store.enrolled(randomUUID(), tenant, 'alice', 'pin');
      return { displayName, locale, phones: found?.phones };
    };
    expect(await change({ locale: 'en-US' })).toBe('updated');
    expect(await known()).toEqual({ displayName: 'Alice', locale: 'en-US', phones: ['+12025550123'] });
    expect(await change({ phones: ['+12025550124'] })).toBe('updated');
    expect(await known()).toEqual({ displayName: 'Alice', locale: 'en-US', phones: ['+12025550124'] });
    expect(await change({ displayName: null, phones: [] })).toBe('updated');
    expect(await known()).toEqual({ displayName: undefined, locale: 'en-US', phones: [] });
    expect((await bed.store.find(tenant, 'phone', bed.phone(tenant, '+12025550124'), 'pin')).id).toBeUndefined();
  });

  it('makes exactly one of twenty simultaneous changes that name the same entity tag', async () => {
    const tenant = await create(['+12025550123']);
    const tagOf = async (): Promise<string> => {
      const state = await bed.store.state(tenant, 'alice', POLICY.windowSeconds);
      return entityTagOf(taggedPartOfSubject(state ?? {}));
    };
    const ifMatch = [await tagOf()];
    // The numbers have the same shown digits, so their tags differ by the time of the change alone.
    const change = (n: number, commandId: string = randomUUID()) => {
      const fields = { phones: [`+1202555${n + 10}23`] };
      return bed.store.change(commandId, tenant, 'alice', fields, true, undefined, { ifMatch });
    };
    const results = await Promise.all(Array.from({ length: 20 }, (_, n) => change(n)));
    expect(results.sort()).toEqual([...Array<string>(19).fill('precondition_failed'), 'updated']);
    expect(await tagOf()).not.toBe(ifMatch[0]);
  });

  it('compares entity tags with the profile alone, and not when a change is repeated', async () => {
    const tenant = await create();
    const state = await bed.store.state(tenant, 'alice', POLICY.windowSeconds);
    const ifMatch = [entityTagOf(taggedPartOfSubject(state ?? {}))];
    await enrol(tenant);
    const commandId = randomUUID();
    const change = () =>
      bed.store.change(commandId, tenant, 'alice', { locale: 'en-US' }, true, undefined, { ifMatch });
    expect(await change()).toBe('updated');
    expect(await change()).toBe('updated');
    const createOnly = (subject: string) =>
      bed.store.change(randomUUID(), tenant, subject, {}, false, undefined, { ifNoneMatch: ['*'] });
    expect(await createOnly('alice')).toBe('precondition_failed');
    expect(await createOnly('bob')).toBe('created');
    expect(await bed.store.change(randomUUID(), tenant, 'carol', {}, false, undefined, { ifMatch: ['*'] })).toBe(
      'precondition_failed',
    );
  });

  it('changes a subject that must exist, and creates none', async () => {
    const tenant = await create();
    const commandId = randomUUID();
    const change = () => bed.store.change(commandId, tenant, 'bob', { displayName: 'Bob' }, true);
    expect(await change()).toBe('not_found');
    expect(await change()).toBe('not_found');
    expect(await bed.store.state(tenant, 'bob', POLICY.windowSeconds)).toBeUndefined();
    expect(await bed.store.change(randomUUID(), tenant, 'bob', {})).toBe('created');
    expect(await change()).toBe('updated');
    expect((await bed.store.find(tenant, 'id', 'bob', 'pin')).displayName).toBe('Bob');
  });

  it('gives each credential the next version, and what it was stored with', async () => {
    const tenant = await create(['+12025550123']);
    expect(await enrolled(tenant)).toEqual({
      ...{ repeated: false, disabled: false },
      ...{ phones: ['+12025550123'], version: 0, inForce: undefined },
    });
    expect(await enrol(tenant)).toBe('created');
    expect(await enrol(tenant, { replaces: 1, cap: 25, mustChange: true })).toBe('updated');
    expect(await enrolled(tenant)).toMatchObject({ version: 2, inForce: `pin/${tenant}/alice/2` });
    const { credential } = await bed.store.find(tenant, 'id', 'alice', 'pin');
    const enrolledAt = expect.stringMatching(/^[0-9]{1,16}$/) as unknown;
    expect(credential).toMatchObject({ version: 2, cap: 25, mustChange: true, enrolledAt });
    await enrol(tenant, { kind: 'knowledge' });
    expect((await enrolled(tenant, 'knowledge'))?.version).toBe(1);
  });

  describe('the counter of a credential', () => {
    const caller = 'c'.repeat(64);
    const wide = { ...POLICY, perWindow: 10 };
    /** Verified once by `caller`, then failed at twice by others, then disabled by the caller. */
    const disabled = async (): Promise<{ tenant: string; attempt: (by?: string) => AttemptToCount }> => {
      const tenant = await create();
      await enrol(tenant);
      const { referenceKey } = await bed.store.find(tenant, 'id', 'alice', 'pin');
      const attempt = (by?: string) => attemptOf({ tenant, referenceKey, subject: 'alice', cap: 4, caller: by });
      const first = attempt(caller);
      await bed.attempts.decide(outcomeOf(first, countedOf(await bed.attempts.count(first, wide)), 'verified'));
      for (const by of [undefined, undefined, caller, caller]) await bed.attempts.count(attempt(by), wide);
      expect((await enrolled(tenant))?.disabled).toBe(true);
      return { tenant, attempt };
    };

    it('keeps failures, lock and recognized callers when the secret in force is enrolled again', async () => {
      const { tenant, attempt } = await disabled();
      const before = await bed.store.state(tenant, 'alice', POLICY.windowSeconds);
      expect(await enrol(tenant, { replaces: 1, again: true })).toBe('updated');
      const { credentials, ...counter } = (await bed.store.state(tenant, 'alice', POLICY.windowSeconds)) ?? {
        credentials: [],
      };
      expect({ ...counter, updatedAt: '' }).toMatchObject({
        ...{ disabled: true, consecutiveFailures: before?.consecutiveFailures },
        attemptsInWindow: before?.attemptsInWindow,
      });
      expect(credentials[0]).toMatchObject({ disabled: true });
      expect((await enrolled(tenant))?.disabled).toBe(true);
      const counted = countedOf(await bed.attempts.count(attempt(caller), wide));
      expect(counted).toMatchObject({ granted: false, unrecognized: false });
    });

    it('starts without failures and recognized callers when another secret is enrolled', async () => {
      const { tenant, attempt } = await disabled();
      await enrol(tenant, { replaces: 1 });
      expect((await enrolled(tenant))?.disabled).toBe(false);
      expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toMatchObject({
        disabled: false,
        consecutiveFailures: 0,
      });
      const counted = countedOf(await bed.attempts.count(attempt(caller), wide));
      expect(counted).toMatchObject({ granted: true, unrecognized: true });
    });
  });

  it('replaces only the version that the enrolment names', async () => {
    const tenant = await create();
    expect(await enrol(tenant, { replaces: 1 })).toBe('outdated');
    const results = await Promise.all(Array.from({ length: 5 }, () => enrol(tenant)));
    expect(results.sort()).toEqual(['created', 'outdated', 'outdated', 'outdated', 'outdated']);
    expect((await enrolled(tenant))?.version).toBe(1);
    expect(await bed.store.enrol(randomUUID(), tenant, 'bob', credentialOf())).toBe('not_found');
  });

  it('refuses an enrolment that was checked before another credential was enrolled and removed', async () => {
    const tenant = await create();
    const checked = (await enrolled(tenant))?.version;
    expect(checked).toBe(0);
    await enrol(tenant);
    expect(await bed.store.removeCredential(randomUUID(), tenant, 'alice', 'pin')).toBe('removed');
    expect(await enrol(tenant, { replaces: 0 })).toBe('outdated');
    const replaces = (await enrolled(tenant))?.version ?? 0;
    expect(await enrol(tenant, { replaces })).toBe('created');
  });

  it('recognizes a repeated command that took effect, and not one that was refused', async () => {
    const tenant = await create();
    const done = randomUUID();
    const refused = randomUUID();
    await enrol(tenant, {}, done);
    expect(await enrol(tenant, {}, refused)).toBe('outdated');
    expect((await enrolled(tenant, 'pin', done))?.repeated).toBe(true);
    expect((await enrolled(tenant, 'pin', refused))?.repeated).toBe(false);
    expect(await enrol(tenant, { replaces: 1 }, done)).toBe('updated');
    expect((await enrolled(tenant))?.version).toBe(1);
  });

  it('shows that a PIN must be changed in the state, and to a verification by PIN only', async () => {
    const tenant = await create();
    await enrol(tenant, { mustChange: true });
    await enrol(tenant, { kind: 'knowledge' });
    expect((await bed.store.find(tenant, 'id', 'alice', 'pin')).mustChange).toBe(true);
    expect((await bed.store.find(tenant, 'id', 'alice', 'knowledge')).mustChange).toBe(false);
    expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toMatchObject({
      pinEnrolled: true,
      pinMustChange: true,
      knowledgeEnrolled: true,
    });
    await enrol(tenant, { replaces: 1 });
    expect((await bed.store.find(tenant, 'id', 'alice', 'pin')).mustChange).toBe(false);
    expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toMatchObject({ pinMustChange: false });
  });

  it('shows the number of attempts that are still in the window', async () => {
    const tenant = await create();
    const { referenceKey } = await bed.store.find(tenant, 'id', 'alice', 'pin');
    const attempt = () => attemptOf({ tenant, referenceKey, subject: 'alice' });
    await bed.attempts.count(attempt(), POLICY);
    await bed.advance(POLICY.windowSeconds / 2);
    await bed.attempts.count(attempt(), POLICY);
    const shown = async () => (await bed.store.state(tenant, 'alice', POLICY.windowSeconds))?.attemptsInWindow;
    expect(await shown()).toBe(2);
    await bed.advance(POLICY.windowSeconds / 2 + 1);
    expect(await shown()).toBe(1);
    await bed.advance(POLICY.windowSeconds / 2);
    expect(await shown()).toBe(0);
    expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toMatchObject({ consecutiveFailures: 2 });
  });

  it('shows what is enrolled, and no stored value', async () => {
    const tenant = await create(['+12025550123']);
    const counter = { attemptsInWindow: 0, lockedUntil: undefined, consecutiveFailures: 0, disabled: false };
    const nothing = {
      ...{ subject: 'alice', pinEnrolled: false, pinMustChange: false, knowledgeEnrolled: false },
      ...{ displayName: 'Alice', locale: undefined, phones: ['+1…23'] },
      ...{ ...counter, credentials: [] },
      ...{ createdAt: expect.any(String) as unknown, updatedAt: expect.any(String) as unknown },
    };
    expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toEqual(nothing);
    await enrol(tenant, { kind: 'knowledge' });
    const shown = (method: string, mustChange = false) => ({
      ...{ method, mustChange, ...counter, recognizedCallers: [] },
      enrolledAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as unknown,
    });
    const one = { ...nothing, knowledgeEnrolled: true, credentials: [shown('knowledge')] };
    expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toEqual(one);
    await enrol(tenant, { mustChange: true, cap: 50 });
    expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toEqual({
      ...{ ...one, pinEnrolled: true, pinMustChange: true },
      credentials: [shown('pin', true), shown('knowledge')],
    });
  });

  it('removes a credential and no other, and gives the next one a version that none ever had', async () => {
    const tenant = await create();
    const remove = (kind: Method, commandId: string = randomUUID()) =>
      bed.store.removeCredential(commandId, tenant, 'alice', kind);
    expect(await remove('pin')).toBe('not_found');
    await enrol(tenant);
    await enrol(tenant, { kind: 'knowledge' });
    const commandId = randomUUID();
    expect(await remove('pin', commandId)).toBe('removed');
    expect(await remove('pin', commandId)).toBe('removed');
    expect(await remove('pin')).toBe('not_found');
    expect(await bed.store.removeCredential(randomUUID(), tenant, 'bob', 'pin')).toBe('not_found');
    expect((await bed.store.find(tenant, 'id', 'alice', 'pin')).credential).toBeUndefined();
    expect(await bed.store.state(tenant, 'alice', POLICY.windowSeconds)).toMatchObject({
      ...{ pinEnrolled: false, knowledgeEnrolled: true },
      credentials: [{ method: 'knowledge' }],
    });
    expect(await enrolled(tenant)).toMatchObject({ version: 2, inForce: undefined });
    expect(await enrol(tenant, { replaces: 2 })).toBe('created');
    expect((await enrolled(tenant))?.version).toBe(3);
  });

  it('keeps the attempts and the lock of a removed credential', async () => {
    const tenant = await create();
    await enrol(tenant);
    const { referenceKey } = await bed.store.find(tenant, 'id', 'alice', 'pin');
    for (let n = 0; n < 3; n++) await bed.attempts.count(attemptOf({ tenant, referenceKey, subject: 'alice' }), POLICY);
    const counterOf = async () => {
      const state = await bed.store.state(tenant, 'alice', POLICY.windowSeconds);
      return [state?.attemptsInWindow, state?.lockedUntil, state?.consecutiveFailures];
    };
    const before = await counterOf();
    expect(before).toEqual([3, expect.any(String), 3]);
    await bed.store.removeCredential(randomUUID(), tenant, 'alice', 'pin');
    expect(await counterOf()).toEqual(before);
    await enrol(tenant);
    expect((await counterOf()).slice(0, 2)).toEqual(before.slice(0, 2));
    const counted = countedOf(await bed.attempts.count(attemptOf({ tenant, referenceKey, subject: 'alice' }), POLICY));
    expect(counted.granted).toBe(false);
  });

  it('shows recognized callers with two digits and the time of their first success, the latest success first', async () => {
    const tenant = await create();
    await enrol(tenant);
    const callersOf = async () =>
      (await bed.store.state(tenant, 'alice', POLICY.windowSeconds))?.credentials[0]?.recognizedCallers;
    const succeed = async (caller: string, callerTail?: string): Promise<string> => {
      const { referenceKey, credential } = await bed.store.find(tenant, 'id', 'alice', 'pin');
      const attempt = attemptOf({ tenant, referenceKey, subject: 'alice', caller });
      const counted = countedOf(await bed.attempts.count(attempt, POLICY));
      const firstVerifiedAt = counted.countedAt;
      const about = { method: 'pin' as const, caller, callerTail: callerTail ?? '', firstVerifiedAt };
      const sealedCaller = callerTail === undefined ? undefined : await bed.store.sealCaller(tenant, 'alice', about);
      await bed.attempts.decide({ ...outcomeOf(attempt, counted, 'verified'), compared: credential, sealedCaller });
      return firstVerifiedAt;
    };
    expect(await callersOf()).toEqual([]);
    const [first, second] = [await succeed('c1', '47'), await succeed('c2', '08')];
    await succeed('before these were stored');
    await succeed('c1');
    const one = { callerTail: '47', firstVerifiedAt: first };
    expect(await callersOf()).toEqual([one, {}, { callerTail: '08', firstVerifiedAt: second }]);
    for (let n = 0; n < 7; n++) await succeed(`other ${n}`, '11');
    expect((await callersOf())?.map(({ callerTail }) => callerTail)).toEqual([...Array<string>(7).fill('11'), '47']);
    await enrol(tenant, { replaces: 1 });
    expect(await callersOf()).toEqual([]);
  });

  it('lists the subjects of a tenant in the order of their ids, page by page, and filters them', async () => {
    const tenant = await create(['+12025550123']);
    const other = await create();
    for (const id of ['Zoe', 'a_1', 'a-1', 'bob']) await bed.store.change(randomUUID(), tenant, id, {});
    await enrol(tenant);
    const list = async (query: Partial<SubjectQuery>) => {
      const page = await bed.store.list(tenant, { limit: 10, windowSeconds: POLICY.windowSeconds, ...query });
      return [page.items.map(({ subject }) => subject).join(' '), page.next];
    };
    expect(await list({})).toEqual(['Zoe a-1 a_1 alice bob', undefined]);
    expect(await list({ limit: 2 })).toEqual(['Zoe a-1', 'a-1']);
    expect(await list({ limit: 3, after: 'a-1' })).toEqual(['a_1 alice bob', undefined]);
    expect(await list({ phone: '+12025550123' })).toEqual(['alice', undefined]);
    expect(await list({ phone: '+12025550123', after: 'alice' })).toEqual(['', undefined]);
    expect(await list({ phone: '+12025550199' })).toEqual(['', undefined]);
    expect(await list({ credential: 'none', limit: 3 })).toEqual(['Zoe a-1 a_1', 'a_1']);
    expect(await list({ credential: 'locked' })).toEqual(['', undefined]);
    const { referenceKey } = await bed.store.find(tenant, 'id', 'alice', 'pin');
    for (let n = 0; n < 3; n++) await bed.attempts.count(attemptOf({ tenant, referenceKey, subject: 'alice' }), POLICY);
    expect(await list({ credential: 'locked' })).toEqual(['alice', undefined]);
    expect(await list({ credential: 'disabled' })).toEqual(['', undefined]);
    const one = (await bed.store.list(tenant, { limit: 4, windowSeconds: POLICY.windowSeconds })).items.at(-1);
    expect(one).toEqual(await bed.store.state(tenant, 'alice', POLICY.windowSeconds));
    expect((await bed.store.list(other, { limit: 9, windowSeconds: 900 })).items).toMatchObject([{ subject: 'alice' }]);
  });
}
