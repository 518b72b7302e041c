import {
  LimitOverrideRequested,
  LimitRefundRequested,
  LimitResetRequested,
  LimitStateRequested,
  message,
  VerificationAdmitted,
  type LimitTarget,
  type VerificationRequested,
} from '@countersign/contracts';
import { KEY_ID, requestOf, RateLimitTestBed } from '../../test/test-bed.js';

const callerKey = 'c'.repeat(64);
const command = { commandId: 'command-1', tenant: 'acme' };
let bed: RateLimitTestBed;
const REASON = 'e'.repeat(64);

beforeEach(() => {
  bed = new RateLimitTestBed();
});

async function passes(count: number, more: Partial<VerificationRequested> = {}): Promise<number> {
  let passed = 0;
  for (let n = 0; n < count; n++) {
    if ((await bed.admit.admitAttempt(requestOf(more))) instanceof VerificationAdmitted) passed++;
  }
  return passed;
}

const override = (target: string | undefined, limit: number, seconds: number): LimitOverrideRequested =>
  message(LimitOverrideRequested, {
    ...command,
    of: { dimension: 'caller', ...(target === undefined ? {} : { target }), names: [] },
    limit: { limit, periodSeconds: 60 },
    reasonKey: REASON,
    expiresAt: new Date(bed.clock.now() + seconds * 1000).toISOString(),
  });

describe('managing limits', () => {
  it('sets a limit for one caller until it ends, with its reason on record', async () => {
    expect(await passes(12)).toBe(10);
    expect((await bed.manage.override(override(callerKey, 30, 90))).answer).toBe('created');
    expect(await passes(30)).toBe(20);
    expect(await passes(12, { callerKey: 'd'.repeat(64) })).toBe(10);
    bed.clock.advance(91_000);
    expect(await passes(12)).toBe(10);
    const fact = bed.log.facts.find(({ kind }) => kind === 'limit.overridden');
    expect(fact?.detail).toMatchObject({ dimension: 'caller', limit: 30, reasonKey: REASON });
  });

  it('prefers the override for one caller to the one for all', async () => {
    await bed.manage.override(override(undefined, 2, 600));
    await bed.manage.override(override(callerKey, 4, 600));
    expect(await passes(12)).toBe(4);
    expect(await passes(12, { callerKey: 'd'.repeat(64) })).toBe(2);
  });

  it('refuses an override that has ended already', async () => {
    expect(await bed.manage.override(override(undefined, 2, -1))).toMatchObject({
      answer: 'invalid',
      violations: [{ field: 'expiresAt' }],
    });
  });

  it('resets what a caller has used, in memory too', async () => {
    expect(await passes(20)).toBe(10);
    const of: LimitTarget = { dimension: 'caller', target: callerKey, names: [] };
    await bed.manage.reset(message(LimitResetRequested, { ...command, of, reasonKey: REASON }));
    expect(await passes(20)).toBe(10);
    expect(bed.log.facts.map(({ kind }) => kind)).toContain('limit.reset');
  });

  it('resets nothing whose fact cannot be recorded', async () => {
    expect(await passes(20)).toBe(10);
    bed.log.down = true;
    const of: LimitTarget = { dimension: 'caller', target: callerKey, names: [] };
    const reset = message(LimitResetRequested, { ...command, of, reasonKey: REASON });
    expect((await bed.manage.reset(reset)).answer).toBe('unavailable');
    bed.refusalCache.clear();
    bed.log.down = false;
    expect(await passes(5)).toBe(0);
  });

  it('gives back what a guess has spent that nobody looked at, once', async () => {
    const asked = requestOf();
    await bed.admit.admitAttempt(asked);
    expect(await passes(12)).toBe(9);
    const { commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller } = asked;
    const subject = { subjectKind, subjectRef, subjectIsCaller, keyId: KEY_ID, alsoNamed: [] };
    const refund = message(LimitRefundRequested, { commandId, tenant, agent, channel, ...subject, callerKey });
    await bed.manage.refund(refund);
    await bed.manage.refund(refund);
    expect(await passes(12)).toBe(1);
  });

  it('forgets only what a refund is about', async () => {
    bed.policies.limits = { ...bed.policies.limits, caller: { limit: 1, periodSeconds: 600 } };
    const [asked, other] = [requestOf(), { callerKey: 'd'.repeat(64), subjectRef: 'bob' }];
    await bed.admit.admitAttempt(asked);
    expect([await passes(2), await passes(3, other)]).toEqual([0, 1]);
    expect(bed.refusalCache.size).toBe(2);
    const { commandId, tenant, agent, channel, subjectKind, subjectRef, subjectIsCaller } = asked;
    const subject = { subjectKind, subjectRef, subjectIsCaller, keyId: KEY_ID, alsoNamed: [] };
    await bed.manage.refund(
      message(LimitRefundRequested, { commandId, tenant, agent, channel, ...subject, callerKey }),
    );
    const { decided } = bed.store;
    expect(await passes(5, other)).toBe(0);
    expect(bed.store.decided).toBe(decided);
    expect(await passes(5)).toBe(1);
  });

  it('tightens a tenant once for many signals, and goes on refusing from memory', async () => {
    bed.policies.limits = { ...bed.policies.limits, agent: { limit: 4, periodSeconds: 600 } };
    await bed.manage.refresh();
    const flood = { callerKey: 'd'.repeat(64), agent: 'desk' };
    expect(await passes(6, flood)).toBe(4);
    await bed.manage.override(override(callerKey, 30, 90));
    expect(bed.refusalCache.size).toBe(1);
    const { decided } = bed.store;
    expect(await passes(20, flood)).toBe(0);
    expect(bed.store.decided).toBe(decided);
    const tightened = (): number => bed.log.facts.filter(({ kind }) => kind === 'limit.tightened').length;
    const signal = () => bed.manage.tighten({ tenant: 'acme', seconds: 600 });
    await Promise.all(Array.from({ length: 50 }, signal));
    await signal();
    expect(tightened()).toBe(1);
    expect(bed.refusalCache.size).toBe(1);
    expect(await passes(20, flood)).toBe(0);
    expect(bed.store.decided).toBe(decided + 1);
    bed.clock.advance(301_000);
    await Promise.all([signal(), signal()]);
    expect(tightened()).toBe(2);
  });

  it('shows an operator the limits in force, and nothing of another tenant', async () => {
    await bed.manage.override(override(undefined, 2, 600));
    const state = await bed.manage.state(message(LimitStateRequested, command));
    expect(state).toMatchObject({
      answer: 'found',
      body: {
        limits: { caller: { limit: 2, periodSeconds: 60 }, tenant: { limit: 100_000 } },
        overrides: [{ dimension: 'caller', limit: 2, reasonKey: REASON, endsInSeconds: 600 }],
        tenant: { left: 100_000 },
        stricterSeconds: 0,
      },
    });
    const other = message(LimitStateRequested, { ...command, tenant: 'umbrella' });
    expect((await bed.manage.state(other)).answer).toBe('not_found');
  });
});
