import { randomUUID } from 'node:crypto';
import {
  LimitOverrideDeleteRequested,
  LimitOverrideListRequested,
  LimitOverrideReadRequested,
  LimitOverrideRequested,
  LimitRefundRequested,
  LimitResetRequested,
  LimitStateRequested,
  message,
  VerificationAdmitted,
  type LimitTarget,
  type VerificationRequested,
} from '@countersign/contracts';
import { TEST_ACTOR } from '@countersign/testing';
import { KEY_ID, requestOf, RateLimitTestBed } from '../../test/test-bed.js';

const callerKey = 'c'.repeat(64);
const command = { commandId: 'command-1', actor: TEST_ACTOR, tenant: 'acme' };
let bed: RateLimitTestBed;
const REASON = 'a call centre behind one number';

beforeEach(() => {
  bed = new RateLimitTestBed();
});

async function admitted(times: number, more: Partial<VerificationRequested> = {}): Promise<number> {
  let count = 0;
  for (let n = 0; n < times; n++) {
    if ((await bed.admit.admitAttempt(requestOf(more))) instanceof VerificationAdmitted) count++;
  }
  return count;
}

const override = (target: string | undefined, limit: number, seconds: number): LimitOverrideRequested =>
  message(LimitOverrideRequested, {
    ...command,
    overrideId: randomUUID(),
    of: { dimension: 'caller', ...(target === undefined ? {} : { target }), names: [] },
    limit: { limit, periodSeconds: 60 },
    reason: REASON,
    expiresAt: new Date(bed.clock.now() + seconds * 1000).toISOString(),
  });

describe('managing limits', () => {
  it('sets a limit for one caller until it ends, and records the reason and the actor', async () => {
    expect(await admitted(12)).toBe(10);
    expect((await bed.manage.override(override(callerKey, 30, 90))).answer).toBe('created');
    expect(await admitted(30)).toBe(20);
    expect(await admitted(12, { callerKey: 'd'.repeat(64) })).toBe(10);
    bed.clock.advance(91_000);
    expect(await admitted(12)).toBe(10);
    const fact = bed.log.facts.find(({ kind }) => kind === 'limit.overridden');
    expect(fact?.detail).toMatchObject({ dimension: 'caller', limit: 30, reason: REASON });
    expect(fact?.actor).toEqual(TEST_ACTOR);
  });

  it('prefers an override for one caller to an override for all callers', async () => {
    await bed.manage.override(override(undefined, 2, 600));
    await bed.manage.override(override(callerKey, 4, 600));
    expect(await admitted(12)).toBe(4);
    expect(await admitted(12, { callerKey: 'd'.repeat(64) })).toBe(2);
  });

  it.each([
    [{ limit: 11, periodSeconds: 60 }, 'invalid'],
    [{ limit: 10, periodSeconds: 59 }, 'invalid'],
    [{ limit: 9, periodSeconds: 60 }, 'created'],
    [{ limit: 10, periodSeconds: 600 }, 'created'],
  ] as const)('answers an override of 10 per minute with %j by a key of the tenant: %s', async (limit, answer) => {
    const actor = { kind: 'key', id: 'key-1', sourceAddress: '192.0.2.7' } as const;
    const command = message(LimitOverrideRequested, { ...override(callerKey, 5, 90), limit, actor });
    expect((await bed.manage.override(command)).answer).toBe(answer);
    expect((await bed.manage.override({ ...command, actor: TEST_ACTOR } as LimitOverrideRequested)).answer).toBe(
      'created',
    );
  });

  const byKey = { ...command, actor: { kind: 'key', id: 'key-1', sourceAddress: '192.0.2.7' } } as const;
  const deletion = (overrideId: string, origin: Pick<LimitOverrideDeleteRequested, 'actor'> = command) =>
    bed.manage.deleteOverride(message(LimitOverrideDeleteRequested, { ...command, ...origin, overrideId }));

  it('lets a key of the tenant loosen limits where the installation allows it', async () => {
    const looser = message(LimitOverrideRequested, { ...override(callerKey, 11, 90), ...byKey });
    expect((await bed.manage.override(looser)).answer).toBe('invalid');
    bed.policies.mayLoosenLimits = true;
    expect((await bed.manage.override(looser)).answer).toBe('created');
  });

  it('applies the limit of the policy to the next request after an override was deleted', async () => {
    const { body = {} } = await bed.manage.override(override(callerKey, 2, 600));
    expect(await admitted(12)).toBe(2);
    expect((await deletion(String(body['id']))).answer).toBe('updated');
    expect(await admitted(12)).toBe(8);
    expect((await deletion(String(body['id']))).answer).toBe('not_found');
    const facts = bed.log.facts.filter(({ kind }) => kind === 'limit.override_deleted');
    expect(facts).toMatchObject([{ actor: TEST_ACTOR, detail: { overrideId: body['id'] } }]);
  });

  it('refuses nothing by an override in shadow mode', async () => {
    const shadow = override(callerKey, 2, 600);
    await bed.manage.override(message(LimitOverrideRequested, { ...shadow, limit: { ...shadow.limit, shadow: true } }));
    expect(await admitted(20)).toBe(20);
  });

  it('shows overrides page by page, by dimension and by target, until they end', async () => {
    const created = [];
    for (const target of ['a'.repeat(64), 'b'.repeat(64), undefined]) {
      created.push((await bed.manage.override(override(target, 5, 600))).body ?? {});
    }
    const inOrder = created.sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1));
    const list = async (more: Partial<LimitOverrideListRequested>) =>
      (await bed.manage.listOverrides(message(LimitOverrideListRequested, { ...command, limit: 2, ...more }))).body;
    expect(await list({})).toEqual({ items: inOrder.slice(0, 2), nextCursor: inOrder[1]?.['id'] });
    expect(await list({ cursor: String(inOrder[1]?.['id']) })).toEqual({ items: inOrder.slice(2), nextCursor: null });
    expect(await list({ dimensions: ['agent'] })).toEqual({ items: [], nextCursor: null });
    expect(await list({ dimensions: ['caller'], targets: ['b'.repeat(64)] })).toMatchObject({
      items: [{ dimension: 'caller', phoneKey: 'b'.repeat(64), limit: 5, reason: REASON, actor: TEST_ACTOR }],
    });
    const read = message(LimitOverrideReadRequested, { ...command, overrideId: String(inOrder[0]?.['id']) });
    expect(await bed.manage.readOverride(read)).toMatchObject({ answer: 'found', body: inOrder[0] });
    bed.clock.advance(601_000);
    expect(await list({})).toEqual({ items: [], nextCursor: null });
    expect((await bed.manage.readOverride(read)).answer).toBe('not_found');
  });

  it('lets a key of the tenant end overrides of keys, and none of the administrator', async () => {
    const { body = {} } = await bed.manage.override(override(callerKey, 2, 600));
    const id = String(body['id']);
    expect(await deletion(id, byKey)).toMatchObject({ answer: 'invalid', violations: [{ field: 'override' }] });
    const replacement = message(LimitOverrideRequested, { ...override(callerKey, 9, 600), ...byKey });
    expect(await bed.manage.override(replacement)).toMatchObject({
      ...{ answer: 'invalid', violations: [{ field: 'dimension' }] },
    });
    await deletion(id);
    expect((await bed.manage.override(replacement)).answer).toBe('created');
    expect((await deletion(replacement.overrideId, byKey)).answer).toBe('updated');
  });

  it('keeps a key of the tenant from loosening for one caller what the administrator tightened for all', async () => {
    await bed.manage.override(override(undefined, 2, 600));
    const of = (limit: number) => message(LimitOverrideRequested, { ...override(callerKey, limit, 600), ...byKey });
    expect(await bed.manage.override(of(9))).toMatchObject({ answer: 'invalid', violations: [{ field: 'dimension' }] });
    expect((await bed.manage.override(of(1))).answer).toBe('created');
    expect(await admitted(12)).toBe(1);
    expect(await admitted(12, { callerKey: 'd'.repeat(64) })).toBe(2);
  });

  it('applies an override of the administrator for all callers also to one whose override by a key is older', async () => {
    await bed.manage.override(message(LimitOverrideRequested, { ...override(callerKey, 9, 600), ...byKey }));
    await bed.manage.override(override('d'.repeat(64), 9, 600));
    await bed.manage.override(override(undefined, 2, 600));
    expect(await admitted(12)).toBe(2);
    expect(await admitted(12, { callerKey: 'd'.repeat(64) })).toBe(9);
  });

  it('counts the burst of the policy when a key of the tenant overrides its limit', async () => {
    bed.policies.limits = { ...bed.policies.limits, caller: { limit: 600, periodSeconds: 60, burst: 70 } };
    const of = (limit: number) => message(LimitOverrideRequested, { ...override(callerKey, limit, 600), ...byKey });
    expect((await bed.manage.override(of(71))).answer).toBe('invalid');
    expect((await bed.manage.override(of(70))).answer).toBe('created');
  });

  it('halves the overrides of keys while the limits are tightened, and none of the administrator', async () => {
    await bed.manage.override(message(LimitOverrideRequested, { ...override(callerKey, 8, 600), ...byKey }));
    await bed.manage.override(override('d'.repeat(64), 8, 600));
    await bed.manage.tighten({ tenant: 'acme', seconds: 600 });
    expect(await admitted(12)).toBe(4);
    expect(await admitted(12, { callerKey: 'd'.repeat(64) })).toBe(8);
  });

  it('refuses more than 500 overrides of a tenant until one is replaced, deleted or ended', async () => {
    const targetOf = (count: number): string => String(count).padStart(64, '0');
    for (let count = 0; count < 500; count++) await bed.manage.override(override(targetOf(count), 2, 600));
    const oneMore = override(callerKey, 2, 600);
    expect(await bed.manage.override(oneMore)).toMatchObject({ answer: 'invalid', violations: [{ field: 'body' }] });
    const { body = {} } = await bed.manage.override(override(targetOf(7), 3, 600));
    await deletion(String(body['id']));
    expect((await bed.manage.override(oneMore)).answer).toBe('created');
  });

  it('lets only the administrator reset the quota of a tenant', async () => {
    const of: LimitTarget = { dimension: 'tenant', names: [] };
    const reset = message(LimitResetRequested, { ...command, of, reason: REASON });
    const byKey = message(LimitResetRequested, { ...reset, actor: { ...TEST_ACTOR, kind: 'key', id: 'key-1' } });
    expect(await bed.manage.reset(byKey)).toMatchObject({ answer: 'invalid', violations: [{ field: 'dimension' }] });
    expect((await bed.manage.reset(reset)).answer).toBe('updated');
  });

  it('rejects an override that has already ended', async () => {
    expect(await bed.manage.override(override(undefined, 2, -1))).toMatchObject({
      answer: 'invalid',
      violations: [{ field: 'expiresAt' }],
    });
  });

  it('resets the use of a caller in the store and in the refusal cache', async () => {
    expect(await admitted(20)).toBe(10);
    const of: LimitTarget = { dimension: 'caller', target: callerKey, names: [] };
    await bed.manage.reset(message(LimitResetRequested, { ...command, of, reason: REASON }));
    expect(await admitted(20)).toBe(10);
    const fact = bed.log.facts.find(({ kind }) => kind === 'limit.reset');
    expect(fact).toMatchObject({ actor: TEST_ACTOR, detail: { reason: REASON } });
  });

  it('keeps the cached refusals of others when a key resets again and again, and clears them once in five seconds', async () => {
    bed.policies.limits = { ...bed.policies.limits, caller: { limit: 1, periodSeconds: 600 } };
    const other = { callerKey: 'd'.repeat(64), subjectRef: 'bob' };
    const reset = () => {
      const of: LimitTarget = { dimension: 'caller', target: callerKey, names: [] };
      return bed.manage.reset(message(LimitResetRequested, { ...command, of, reason: REASON }));
    };
    await reset();
    expect([await admitted(2), await admitted(2, other)]).toEqual([1, 1]);
    for (let count = 0; count < 20; count++) {
      await reset();
      const { decided } = bed.store;
      expect(await admitted(5, other)).toBe(0);
      expect(bed.store.decided).toBe(decided);
      expect(await admitted(2)).toBe(1);
    }
    bed.clock.advance(5_000);
    await bed.manage.refresh();
    expect(bed.refusalCache.size).toBe(0);
  });

  it('resets nothing if the fact cannot be recorded', async () => {
    expect(await admitted(20)).toBe(10);
    bed.log.down = true;
    const of: LimitTarget = { dimension: 'caller', target: callerKey, names: [] };
    const reset = message(LimitResetRequested, { ...command, of, reason: REASON });
    expect((await bed.manage.reset(reset)).answer).toBe('unavailable');
    expect(bed.refusalCache.clear(bed.clock.now())).toBe(true);
    bed.log.down = false;
    expect(await admitted(5)).toBe(0);
  });

  it('refunds an attempt that was never compared, once', async () => {
    const request = requestOf();
    await bed.admit.admitAttempt(request);
    expect(await admitted(12)).toBe(9);
    const { commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller } = request;
    const subject = { subjectKind, subjectRef, subjectIsCaller, keyId: KEY_ID, alsoNamed: [] };
    const refund = message(LimitRefundRequested, { commandId, tenant, agent, channel, ...subject, callerKey });
    await bed.manage.refund(refund);
    await bed.manage.refund(refund);
    expect(await admitted(12)).toBe(1);
  });

  it('removes only the cached refusals that a refund concerns', async () => {
    bed.policies.limits = { ...bed.policies.limits, caller: { limit: 1, periodSeconds: 600 } };
    const [request, other] = [requestOf(), { callerKey: 'd'.repeat(64), subjectRef: 'bob' }];
    await bed.admit.admitAttempt(request);
    expect([await admitted(2), await admitted(3, other)]).toEqual([0, 1]);
    expect(bed.refusalCache.size).toBe(2);
    const { commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller } = request;
    const subject = { subjectKind, subjectRef, subjectIsCaller, keyId: KEY_ID, alsoNamed: [] };
    await bed.manage.refund(
      message(LimitRefundRequested, { commandId, tenant, agent, channel, ...subject, callerKey }),
    );
    const { decided } = bed.store;
    expect(await admitted(5, other)).toBe(0);
    expect(bed.store.decided).toBe(decided);
    expect(await admitted(5)).toBe(1);
  });

  it('tightens the limits of a tenant once for many signals, and keeps the cached refusals', async () => {
    bed.policies.limits = { ...bed.policies.limits, agent: { limit: 4, periodSeconds: 600 } };
    await bed.manage.refresh();
    const flood = { callerKey: 'd'.repeat(64), agent: 'desk' };
    expect(await admitted(6, flood)).toBe(4);
    await bed.manage.override(override(callerKey, 30, 90));
    expect(bed.refusalCache.size).toBe(1);
    const { decided } = bed.store;
    expect(await admitted(20, flood)).toBe(0);
    expect(bed.store.decided).toBe(decided);
    const tightened = (): number => bed.log.facts.filter(({ kind }) => kind === 'limit.tightened').length;
    const signal = () => bed.manage.tighten({ tenant: 'acme', seconds: 600 });
    await Promise.all(Array.from({ length: 50 }, signal));
    await signal();
    expect(tightened()).toBe(1);
    expect(bed.refusalCache.size).toBe(1);
    expect(await admitted(20, flood)).toBe(0);
    expect(bed.store.decided).toBe(decided + 1);
    bed.clock.advance(301_000);
    await Promise.all([signal(), signal()]);
    expect(tightened()).toBe(2);
  });

  it('shows an administrator the limits in force, and none of another tenant', async () => {
    await bed.manage.override(override(undefined, 2, 600));
    const state = await bed.manage.state(message(LimitStateRequested, command));
    expect(state).toMatchObject({
      answer: 'found',
      body: {
        limits: { caller: { limit: 2, periodSeconds: 60 }, tenant: { limit: 100_000 } },
        overrides: [{ dimension: 'caller', limit: 2, reason: REASON, endsInSeconds: 600 }],
        tenant: { left: 100_000 },
        stricterSeconds: 0,
      },
    });
    const other = message(LimitStateRequested, { ...command, tenant: 'umbrella' });
    expect((await bed.manage.state(other)).answer).toBe('not_found');
  });
});
