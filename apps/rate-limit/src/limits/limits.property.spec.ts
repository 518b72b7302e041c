import fc from 'fast-check';
import { checkDistinct, spendDistinct, type DistinctMembers } from './distinct-members.decision.js';
import { burstOf, checkGcra, emissionIntervalMs, spendGcra } from './gcra.decision.js';
import { type LimitRule, type RuleResult } from './rule.decision.js';
import { checkLog, countedAt, keepNewest } from './sliding-log.decision.js';

/** Random sequences for each algorithm. */
const RUNS = 10_000;

interface TimedRequest {
  readonly now: number;
  readonly member: string;
}

/** An algorithm as a state machine: its decision about one request, and its state after an admission. */
interface Algorithm<State> {
  readonly start: State;
  check(state: State, request: TimedRequest, rule: LimitRule): RuleResult;
  spend(state: State, request: TimedRequest, rule: LimitRule): State;
  /** Only of faulty algorithms: the state after a refusal. */
  refused?(state: State, request: TimedRequest): State;
}

/** Whether a request may be admitted, derived from all admitted requests. The times ascend. */
type Oracle = (admitted: readonly TimedRequest[], request: TimedRequest, rule: LimitRule) => boolean;

const LOG: Algorithm<readonly number[]> = {
  start: [],
  check: (times, { now }, rule) => checkLog(times, now, rule),
  spend: (times, { now }) => keepNewest([...times, countedAt(times, now)]),
};
const GCRA: Algorithm<number> = {
  start: 0,
  check: (tat, { now }, rule) => checkGcra(tat, now, rule),
  spend: (tat, { now }, rule) => spendGcra(tat, now, rule),
};
const DISTINCT: Algorithm<DistinctMembers> = {
  start: { members: [], membersAt: [], membersTat: 0 },
  check: (state, { member, now }, rule) => checkDistinct(state, member, now, rule),
  spend: (state, { member, now }, rule) => spendDistinct(state, member, now, rule),
};

const within = (
  admitted: readonly TimedRequest[],
  { now }: TimedRequest,
  { periodSeconds }: LimitRule,
): readonly TimedRequest[] => admitted.filter((before) => before.now > now - periodSeconds * 1000);
const atMostInWindow: Oracle = (admitted, request, rule) => within(admitted, request, rule).length < rule.limit;
const atMostDifferent: Oracle = (admitted, request, rule) => {
  const members = new Set(within(admitted, request, rule).map(({ member }) => member));
  return members.has(request.member) || members.size < rule.limit;
};
/** No span that ends with this request holds more requests than the burst and the rate over the span. */
const atMostInSpan: Oracle = (admitted, { now }, rule) =>
  admitted.every(
    (first, at) => admitted.length - at + 1 <= burstOf(rule) + (now - first.now) / emissionIntervalMs(rule),
  );

const steps = fc.array(
  fc.tuple(fc.integer({ min: -600, max: 2500 }), fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')),
  {
    minLength: 1,
    maxLength: 30,
  },
);
const exactRules = fc.record({ limit: fc.integer({ min: 1, max: 6 }), periodSeconds: fc.integer({ min: 1, max: 8 }) });
/** The emission interval is a whole number of milliseconds, so the oracle does not round. */
const rates = fc
  .record({
    limit: fc.integer({ min: 65, max: 200 }),
    each: fc.integer({ min: 1, max: 3 }),
    burst: fc.integer({ min: 1, max: 6 }),
  })
  .map(({ limit, each, burst }): LimitRule => ({ limit, periodSeconds: limit * each, burst }));

/** The first fault of an algorithm that the sequences find; undefined: none. */
function faultOf<State>(
  algorithm: Algorithm<State>,
  oracle: Oracle,
  rules: fc.Arbitrary<LimitRule>,
): string | undefined {
  const run = fc.check(
    fc.property(rules, steps, (rule, sequence) => {
      let state = algorithm.start;
      let [now, latest] = [1_000_000, 1_000_000];
      const admitted: TimedRequest[] = [];
      for (const [step, member] of sequence) {
        now += step;
        latest = Math.max(now, admitted.at(-1)?.now ?? now);
        const request = { now, member };
        const result = algorithm.check(state, request, rule);
        // While the clock is behind, an extra refusal is allowed and an extra admission is not.
        const isAllowed = oracle(admitted, { now: latest, member }, rule);
        if (result.admitted && !isAllowed) throw new Error('one too many');
        if (!result.admitted && isAllowed && now === latest) throw new Error('a refusal below the limit');
        if (result.admitted) {
          state = algorithm.spend(state, request, rule);
          admitted.push({ now: latest, member });
          continue;
        }
        const retryAt = result.retryAt ?? NaN;
        if (!algorithm.check(state, { now: retryAt, member }, rule).admitted) throw new Error('retryAt is too early');
        if (algorithm.check(state, { now: retryAt - 1, member }, rule).admitted) throw new Error('retryAt is too late');
        state = algorithm.refused?.(state, request) ?? state;
      }
    }),
    { numRuns: RUNS, seed: 20261123 },
  );
  if (!run.failed) return undefined;
  return run.errorInstance instanceof Error ? run.errorInstance.message : 'it failed';
}

describe('every algorithm, over 10,000 random sequences', () => {
  it('the sliding log admits exactly the limit in any window, and reports the first time that admits again', () => {
    expect(faultOf(LOG, atMostInWindow, exactRules)).toBeUndefined();
  });

  it('GCRA admits no more than burst and rate allow, and reports the first time that admits again', () => {
    expect(faultOf(GCRA, atMostInSpan, rates)).toBeUndefined();
  });

  it('the distinct count admits exactly the limit of different members in any window', () => {
    expect(faultOf(DISTINCT, atMostDifferent, exactRules)).toBeUndefined();
  });
});

const more = (rule: LimitRule): LimitRule => ({ ...rule, limit: rule.limit + 1, burst: burstOf(rule) + 1 });

describe('the properties find', () => {
  it('an algorithm that admits one request too many', () => {
    expect(faultOf({ ...LOG, check: (s, t, rule) => LOG.check(s, t, more(rule)) }, atMostInWindow, exactRules)).toBe(
      'one too many',
    );
    expect(faultOf({ ...GCRA, check: (s, t, rule) => GCRA.check(s, t, more(rule)) }, atMostInSpan, rates)).toBe(
      'one too many',
    );
    const distinct = {
      ...DISTINCT,
      check: (s: DistinctMembers, t: TimedRequest, rule: LimitRule) => DISTINCT.check(s, t, more(rule)),
    };
    expect(faultOf(distinct, atMostDifferent, exactRules)).toBe('one too many');
    const early: typeof LOG = {
      ...LOG,
      check: (times, { now, member }, rule) => LOG.check(times, { now: now + 1, member }, rule),
    };
    expect(faultOf(early, atMostInWindow, exactRules)).toBeDefined();
  });

  it('an algorithm that a refusal resets', () => {
    expect(faultOf({ ...LOG, refused: () => [] }, atMostInWindow, exactRules)).toBe('one too many');
    expect(faultOf({ ...GCRA, refused: () => 0 }, atMostInSpan, rates)).toBe('one too many');
    expect(faultOf({ ...DISTINCT, refused: () => DISTINCT.start }, atMostDifferent, exactRules)).toBe('one too many');
  });

  it('an algorithm that counts refusals', () => {
    expect(faultOf({ ...LOG, refused: (times, t) => [...times, t.now] }, atMostInWindow, exactRules)).toBe(
      'a refusal below the limit',
    );
    expect(faultOf({ ...GCRA, refused: (tat) => tat + 1000 }, atMostInSpan, rates)).toBe('a refusal below the limit');
    const distinct: Algorithm<DistinctMembers> = {
      ...DISTINCT,
      refused: ({ members, membersAt, membersTat }, t) => ({
        members: [...members, t.member],
        membersAt: [...membersAt, t.now],
        membersTat,
      }),
    };
    expect(faultOf(distinct, atMostDifferent, exactRules)).toBeDefined();
  });

  it('an algorithm that is wrong when the clock goes back', () => {
    const naive: typeof LOG = {
      ...LOG,
      check: (times, { now }, { limit, periodSeconds }) => {
        const live = times.filter((at) => at > now - periodSeconds * 1000);
        return { admitted: live.length < limit, retryAt: (live[0] ?? now) + periodSeconds * 1000, used: 0 };
      },
      spend: (times, { now }) => [...times, now],
    };
    expect(faultOf(naive, atMostInWindow, exactRules)).toBeDefined();
    const gcra: typeof GCRA = { ...GCRA, spend: (_tat, { now }, rule) => now + emissionIntervalMs(rule) };
    expect(faultOf(gcra, atMostInSpan, rates)).toBeDefined();
  });
});
