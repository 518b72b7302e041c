import { randomUUID } from 'node:crypto';
import {
  LimitResetRequested,
  message,
  RefusalsCounted,
  VerificationAdmitted,
  VerificationDecided,
  type LimitTarget,
} from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { TEST_ACTOR } from '@countersign/testing';
import { type LimitRequest } from '../limits/limit.decision.js';
import { type LimitDecision } from '../limits/limits.ports.js';
import { FakeLimitStore } from '../../test/limit-store.fake.js';
import { requestOf, RateLimitTestBed } from '../../test/test-bed.js';

let bed: RateLimitTestBed;
beforeEach(() => {
  bed = new RateLimitTestBed();
});

/** A count of attempts that an adapter refused from its cache. */
function cachedRefusals(more: Partial<RefusalsCounted>): RefusalsCounted {
  const { sealed: _sealed, repeatSeconds: _seconds, ...described } = requestOf();
  const counted = { countId: randomUUID(), dimension: 'caller', count: 1 } as const;
  return message(RefusalsCounted, { ...described, ...counted, ...more });
}

const counts = (): unknown[] =>
  bed.log.facts.filter(({ kind }) => kind === 'limit.refused').map(({ detail }) => detail?.['count']);
const callers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n).padStart(64, '0'));

describe('the rate limiter', () => {
  it('admits ten attempts of a caller unchanged and refuses the eleventh, whatever the subject', async () => {
    for (let n = 0; n < 10; n++) {
      const attempt = requestOf({ subjectRef: `subject-${n}` });
      const admitted = await bed.admit.admitAttempt(attempt);
      expect(admitted).toBeInstanceOf(VerificationAdmitted);
      expect(admitted).toEqual(Object.assign(new VerificationAdmitted(), attempt));
    }
    bed.clock.advance(20_000);
    const attestation = 'No-TN-Validation';
    const refused = await bed.admit.admitAttempt(requestOf({ attestation }));
    expect(refused).toMatchObject({ outcome: 'rate_limited', level: 'none', retryAfterSeconds: 40 });
    const about = { outcome: 'rate_limited', callerTail: '23', attestation };
    expect(bed.log.facts).toMatchObject([{ kind: 'limit.refused', ...about }]);
    expect(JSON.stringify(bed.log.facts)).not.toContain('sealed-for-verification');
  });

  it('admits nothing without a policy', async () => {
    for (const more of [{ tenant: 'other' }, { agent: 'removed' }]) {
      expect(await bed.admit.admitAttempt(requestOf(more))).toMatchObject({ outcome: 'unavailable' });
    }
  });

  it('admits nothing when its store is down', async () => {
    class DownStore extends FakeLimitStore {
      override admit(): Promise<LimitDecision> {
        return Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'down', true));
      }
    }
    const answer = await bed.with(new DownStore(bed.clock)).admitAttempt(requestOf());
    expect(answer).toBeInstanceOf(VerificationDecided);
    expect(answer).toMatchObject({ outcome: 'unavailable' });
  });

  it('refuses a flood from the cache until the caller may return, and never admits from the cache', async () => {
    for (let n = 0; n < 1000; n++) await bed.admit.admitAttempt(requestOf());
    expect(bed.store.decided).toBe(11);
    expect(bed.observed.filter((what) => what === 'refused caller memory')).toHaveLength(989);
    bed.clock.advance(59_999);
    expect(await bed.admit.admitAttempt(requestOf())).toMatchObject({ outcome: 'rate_limited', retryAfterSeconds: 1 });
    bed.clock.advance(1);
    expect(await bed.admit.admitAttempt(requestOf())).toBeInstanceOf(VerificationAdmitted);
    expect(bed.store.decided).toBe(13);
  });

  it('requests one decision of the store in five seconds of a flood, so a refund by another replica takes effect', async () => {
    bed.policies.limits = { ...bed.policies.limits, caller: { limit: 2, periodSeconds: 600 } };
    const first = requestOf();
    await bed.admit.admitAttempt(first);
    for (let n = 0; n < 20; n++) {
      for (let m = 0; m < 50; m++) await bed.admit.admitAttempt(requestOf());
      bed.clock.advance(1_000);
    }
    expect(bed.store.decided).toBe(2 + 1 + 3);
    const withSignals = bed.limitRequests.of(first);
    if (withSignals) await bed.store.refund(withSignals.limitRequests[0]);
    const admitted: unknown[] = [];
    for (let n = 0; n < 6; n++) {
      admitted.push((await bed.admit.admitAttempt(requestOf())) instanceof VerificationAdmitted);
      bed.clock.advance(1_000);
    }
    expect(admitted.filter(Boolean)).toHaveLength(1);
  });

  it('lets a command that has admitted pass again while its caller is over the limit', async () => {
    const first = requestOf();
    await bed.admit.admitAttempt(first);
    for (let n = 0; n < 20; n++) await bed.admit.admitAttempt(requestOf());
    expect(await bed.admit.admitAttempt(first)).toBeInstanceOf(VerificationAdmitted);
  });

  it('admits repetitions of what another replica admitted, and reports those commands to the adapters', async () => {
    bed.policies.limits = { ...bed.policies.limits, call: { limit: 3, periodSeconds: 600 } };
    for (const over of [{ callerKey: 'a'.repeat(64) }, { callerKey: 'b'.repeat(64), callId: 'call-1' }]) {
      const copy = new RateLimitTestBed();
      copy.policies.limits = bed.policies.limits;
      const admitted = Array.from({ length: over.callId ? 3 : 10 }, () => requestOf(over));
      for (const request of admitted) await bed.admit.admitAttempt(request);
      const admit = copy.with(bed.store);
      const dimension = over.callId ? 'call' : 'caller';
      const admittedCommands = admitted.map(({ commandId }) => bed.keys.command('acme', commandId));
      for (let n = 0; n < 3; n++) {
        expect(await admit.admitAttempt(requestOf(over))).toMatchObject({
          limitedBy: { dimension, admittedCommands },
        });
      }
      expect(copy.observed.filter((what) => what.startsWith('refused')).at(-1)).toBe(`refused ${dimension} memory`);
      for (const request of admitted) expect(await admit.admitAttempt(request)).toBeInstanceOf(VerificationAdmitted);
      const { decided } = bed.store;
      expect(await admit.admitAttempt(requestOf(over))).toMatchObject({ outcome: 'rate_limited' });
      expect(bed.store.decided).toBe(decided);
    }
  });

  it('admits a repetition as long as its reply is stored, and refuses it from the cache afterwards', async () => {
    bed.policies.limits = { ...bed.policies.limits, call: { limit: 10, periodSeconds: 86_400 } };
    const kept = requestOf({ callId: 'call-1', repeatSeconds: 86_400 });
    const once = requestOf({ callId: 'call-1', repeatSeconds: 60 });
    await bed.admit.admitAttempt(kept);
    await bed.admit.admitAttempt(once);
    const others = callers(10).map((callerKey) => requestOf({ callId: 'call-1', callerKey }));
    for (const other of others) await bed.admit.admitAttempt(other);
    bed.clock.advance(61_000);
    expect(await bed.admit.admitAttempt(kept)).toBeInstanceOf(VerificationAdmitted);
    const { decided } = bed.store;
    for (let n = 0; n < 5; n++) expect(await bed.admit.admitAttempt(once)).toMatchObject({ outcome: 'rate_limited' });
    expect(bed.store.decided).toBe(decided + 1);
  });

  it.each([
    ['limit', { limit: 200, periodSeconds: 3600, burst: 1 }],
    ['period', { limit: 100, periodSeconds: 60, burst: 1 }],
    ['burst', { limit: 100, periodSeconds: 3600, burst: 100 }],
  ])('does not use a cached refusal after a change of the %s', async (_, changed) => {
    bed.policies.limits = { ...bed.policies.limits, caller: { limit: 100, periodSeconds: 3600, burst: 1 } };
    await bed.admit.admitAttempt(requestOf());
    expect(await bed.admit.admitAttempt(requestOf())).toMatchObject({ outcome: 'rate_limited' });
    bed.policies.limits = { ...bed.policies.limits, caller: changed };
    const { decided } = bed.store;
    await bed.admit.admitAttempt(requestOf());
    expect(bed.store.decided).toBe(decided + 1);
  });

  it('caches no refusal that was decided before a reset', async () => {
    bed.policies.limits = { ...bed.policies.limits, caller: { limit: 1, periodSeconds: 600 } };
    const attempt = requestOf();
    await bed.admit.admitAttempt(attempt);
    class SlowStore extends FakeLimitStore {
      override async admit(request: LimitRequest): Promise<LimitDecision> {
        const decision = await bed.store.admit(request);
        const of: LimitTarget = { dimension: 'caller', target: 'c'.repeat(64), names: [] };
        const command = { commandId: 'command-1', actor: TEST_ACTOR, tenant: 'acme' };
        await bed.manage.reset(message(LimitResetRequested, { ...command, of, reason: 'a test' }));
        return decision;
      }
    }
    expect(await bed.with(new SlowStore(bed.clock)).admitAttempt(requestOf())).toMatchObject({
      outcome: 'rate_limited',
    });
    expect(await bed.admit.admitAttempt(requestOf())).toBeInstanceOf(VerificationAdmitted);
  });

  it('refuses new subjects of a caller at its limit from the cache, and admits its earlier subjects', async () => {
    bed.policies.limits = {
      ...bed.policies.limits,
      caller: { limit: 60, periodSeconds: 60 },
      subjectsPerCaller: { limit: 5, periodSeconds: 3600 },
    };
    const admit = (n: number) => bed.admit.admitAttempt(requestOf({ subjectRef: `s-${n}` }));
    for (let n = 0; n < 1000; n++) await admit(n);
    expect(bed.store.decided).toBe(6);
    for (let n = 0; n < 5; n++) expect(await admit(n)).toBeInstanceOf(VerificationAdmitted);
    const { limitedBy } = (await admit(7)) as VerificationDecided;
    expect([limitedBy?.dimension, limitedBy?.admittedSubjects?.length]).toEqual(['subjectsPerCaller', 5]);
    bed.clock.advance(3_600_000);
    expect(await admit(7)).toBeInstanceOf(VerificationAdmitted);
  });

  it('reports which limit refused and for how long, so an adapter can refuse the next request itself', async () => {
    for (let n = 0; n < 10; n++) await bed.admit.admitAttempt(requestOf());
    for (const retryAfterMs of [60_000, 47_500]) {
      expect(await bed.admit.admitAttempt(requestOf())).toMatchObject({
        limitedBy: { dimension: 'caller', retryAfterMs },
      });
      bed.clock.advance(12_500);
    }
  });

  it('records what an adapter refused from its cache, and detects attacks in it', async () => {
    for (let n = 0; n < 11; n++) await bed.admit.admitAttempt(requestOf());
    for (let n = 0; n < 20; n++)
      bed.admit.noteCachedRefusals(cachedRefusals({ subjectRef: `customer-${n}`, count: 50 }));
    bed.admit.noteCachedRefusals(cachedRefusals({ agent: 'removed' }));
    const repeated = cachedRefusals({ countId: randomUUID(), count: 7 });
    for (let n = 0; n < 3; n++) bed.admit.noteCachedRefusals(repeated);
    await bed.report.flush();
    expect(counts()).toEqual([1, 1007]);
    expect(bed.log.facts.filter(({ kind }) => kind === 'signal.spray')).toHaveLength(1);
    expect(bed.store.decided).toBe(11);
  });

  it('records the first refusal before the reply, and a flood in one fact per flush', async () => {
    for (let n = 0; n < 500; n++) await bed.admit.admitAttempt(requestOf());
    expect(counts()).toEqual([1]);
    await bed.report.flush();
    for (let n = 0; n < 100; n++) await bed.admit.admitAttempt(requestOf());
    await bed.report.flush();
    await bed.report.flush();
    expect(counts()).toEqual([1, 489, 100]);
    await bed.admit.admitAttempt(requestOf());
    expect(counts()).toEqual([1, 489, 100, 1]);
    expect(new Set(bed.log.facts.map(({ factId }) => factId)).size).toBe(bed.log.facts.length);
  });

  it('loses no count while facts cannot be written', async () => {
    for (let n = 0; n < 15; n++) await bed.admit.admitAttempt(requestOf());
    bed.log.down = true;
    await expect(bed.report.flush()).rejects.toThrow();
    await bed.admit.admitAttempt(requestOf());
    bed.log.down = false;
    await bed.report.flush();
    expect(counts()).toEqual([1, 4, 1]);
  });

  it('writes facts without an acknowledgement again under the same ids', async () => {
    const over = callers(100);
    for (const callerKey of over) for (let n = 0; n < 10; n++) await bed.admit.admitAttempt(requestOf({ callerKey }));
    bed.log.losesAnswers = true;
    for (const callerKey of over) {
      expect(await bed.admit.admitAttempt(requestOf({ callerKey }))).toMatchObject({ outcome: 'unavailable' });
      await bed.admit.admitAttempt(requestOf({ callerKey }));
    }
    for (let n = 0; n < 3; n++) await expect(bed.report.flush()).rejects.toThrow();
    bed.log.losesAnswers = false;
    await bed.report.flush();
    const refused = bed.log.facts.filter(({ kind }) => kind === 'limit.refused');
    const counted = new Map(refused.map(({ factId, detail }) => [factId, Number(detail?.['count'])]));
    expect(refused.length).toBeGreaterThan(counted.size);
    expect([...counted.values()].reduce((sum, count) => sum + count, 0)).toBe(200);
  });

  it('shows an agent its quotas over REST, and nothing about callers and subjects', async () => {
    bed.policies.limits = { ...bed.policies.limits, agent: { limit: 2, periodSeconds: 60 } };
    const admit = (callerKey: string) => bed.admit.admitAttempt(requestOf({ channel: 'rest', callerKey }));
    const [a = '', b = '', c = ''] = callers(3);
    expect((await admit(a)).quotas).toMatchObject([{ name: 'agent', limit: 2, remaining: 1 }, { name: 'tenant' }]);
    await admit(b);
    const refused = await admit(c);
    expect(refused).toMatchObject({
      outcome: 'rate_limited',
      quotas: [{ name: 'agent', remaining: 0, resetSeconds: 60 }],
    });
    for (let n = 0; n < 11; n++) await bed.admit.admitAttempt(requestOf({ agent: 'desk', callerKey: a }));
    bed.policies.limits = { ...bed.policies.limits, agent: { limit: 200, periodSeconds: 60 } };
    for (let n = 0; n < 11; n++) await admit(a);
    expect((await admit(a)).quotas).toBeUndefined();
  });

  it('reports refusals of a shadow limit, and a near limit once per window', async () => {
    bed.policies.limits = {
      ...bed.policies.limits,
      caller: { limit: 10, periodSeconds: 60 },
      subject: { limit: 3, periodSeconds: 60, shadow: true },
    };
    for (let n = 0; n < 9; n++) expect(await bed.admit.admitAttempt(requestOf())).toBeInstanceOf(VerificationAdmitted);
    await bed.report.flush();
    expect(bed.log.facts).toMatchObject([
      { kind: 'limit.would_refuse', detail: { dimension: 'subject', limit: 3, count: 6 } },
      { kind: 'limit.near', detail: { dimension: 'caller', limit: 10, count: 1 } },
    ]);
    expect(bed.log.facts[0]?.outcome).toBeUndefined();
  });
});
