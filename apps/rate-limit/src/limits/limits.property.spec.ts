import fc from 'fast-check';
import { checkDistinct, spendDistinct, type DistinctMembers } from './distinct-members.decision.js';
import { burstOf, checkGcra, emissionIntervalMs, spendGcra } from './gcra.decision.js';
import { type LimitRule, type RuleResult } from './rule.decision.js';
import { checkLog, countedAt, keepNewest } from './sliding-log.decision.js';

/** Random sequences for each algorithm. */
const RUNS = 10_000;

interface Try {
  readonly now: number;
  readonly member: string;
}

/** An algorithm as a machine: what it says to one more, and what it remembers of those that it let through. */
interface Algorithm<State> {
  readonly start: State;
  check(state: State, attempt: Try, rule: LimitRule): RuleResult;
  spend(state: State, attempt: Try, rule: LimitRule): State;
  /** Only of machines with a fault: what a refusal changes. */
  refused?(state: State, attempt: Try): State;
}

/** Whether one more may pass, told from all that passed before and nothing else. Its times never go back. */
type Oracle = (passed: readonly Try[], attempt: Try, rule: LimitRule) => boolean;

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

const within = (passed: readonly Try[], { now }: Try, { periodSeconds }: LimitRule): readonly Try[] =>
  passed.filter((before) => before.now > now - periodSeconds * 1000);
const atMostInWindow: Oracle = (passed, attempt, rule) => within(passed, attempt, rule).length < rule.limit;
const atMostDifferent: Oracle = (passed, attempt, rule) => {
  const met = new Set(within(passed, attempt, rule).map(({ member }) => member));
  return met.has(attempt.member) || met.size < rule.limit;
};
/** In no span that ends with this one are there more than the burst and what the rate gives for the span. */
const atMostInSpan: Oracle = (passed, { now }, rule) =>
  passed.every((first, at) => passed.length - at + 1 <= burstOf(rule) + (now - first.now) / emissionIntervalMs(rule));

const steps = fc.array(
  fc.tuple(fc.integer({ min: -600, max: 2500 }), fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')),
  {
    minLength: 1,
    maxLength: 30,
  },
);
const exactRules = fc.record({ limit: fc.integer({ min: 1, max: 6 }), periodSeconds: fc.integer({ min: 1, max: 8 }) });
/** One takes a whole number of milliseconds, so that the oracle counts without rounding. */
const rates = fc
  .record({
    limit: fc.integer({ min: 65, max: 200 }),
    each: fc.integer({ min: 1, max: 3 }),
    burst: fc.integer({ min: 1, max: 6 }),
  })
  .map(({ limit, each, burst }): LimitRule => ({ limit, periodSeconds: limit * each, burst }));

/** What is wrong with an algorithm, as the first sentence; undefined: nothing that these sequences find. */
function faultOf<State>(
  algorithm: Algorithm<State>,
  oracle: Oracle,
  rules: fc.Arbitrary<LimitRule>,
): string | undefined {
  const run = fc.check(
    fc.property(rules, steps, (rule, sequence) => {
      let state = algorithm.start;
      let [now, latest] = [1_000_000, 1_000_000];
      const passed: Try[] = [];
      for (const [step, member] of sequence) {
        now += step;
        latest = Math.max(now, passed.at(-1)?.now ?? now);
        const attempt = { now, member };
        const verdict = algorithm.check(state, attempt, rule);
        // Where the clock goes back, a refusal more is allowed and an admission more is not.
        const may = oracle(passed, { now: latest, member }, rule);
        if (verdict.admitted && !may) throw new Error('one too many');
        if (!verdict.admitted && may && now === latest) throw new Error('a refusal below the limit');
        if (verdict.admitted) {
          state = algorithm.spend(state, attempt, rule);
          passed.push({ now: latest, member });
          continue;
        }
        const retryAt = verdict.retryAt ?? NaN;
        if (!algorithm.check(state, { now: retryAt, member }, rule).admitted) throw new Error('told too early');
        if (algorithm.check(state, { now: retryAt - 1, member }, rule).admitted) throw new Error('told too late');
        state = algorithm.refused?.(state, attempt) ?? state;
      }
    }),
    { numRuns: RUNS, seed: 20261123 },
  );
  if (!run.failed) return undefined;
  return run.errorInstance instanceof Error ? run.errorInstance.message : 'it failed';
}

describe('every algorithm, over 10,000 random sequences', () => {
  it('lets exactly the limit through in any window, and names the first moment that passes: sliding log', () => {
    expect(faultOf(LOG, atMostInWindow, exactRules)).toBeUndefined();
  });

  it('lets no more through than burst and rate allow, and names the first moment that passes: GCRA', () => {
    expect(faultOf(GCRA, atMostInSpan, rates)).toBeUndefined();
  });

  it('lets exactly the limit of different members through in any window: distinct count', () => {
    expect(faultOf(DISTINCT, atMostDifferent, exactRules)).toBeUndefined();
  });
});

const more = (rule: LimitRule): LimitRule => ({ ...rule, limit: rule.limit + 1, burst: burstOf(rule) + 1 });

describe('the properties find', () => {
  it('one more at the border', () => {
    expect(faultOf({ ...LOG, check: (s, t, rule) => LOG.check(s, t, more(rule)) }, atMostInWindow, exactRules)).toBe(
      'one too many',
    );
    expect(faultOf({ ...GCRA, check: (s, t, rule) => GCRA.check(s, t, more(rule)) }, atMostInSpan, rates)).toBe(
      'one too many',
    );
    const distinct = {
      ...DISTINCT,
      check: (s: DistinctMembers, t: Try, rule: LimitRule) => DISTINCT.check(s, t, more(rule)),
    };
    expect(faultOf(distinct, atMostDifferent, exactRules)).toBe('one too many');
    const early: typeof LOG = {
      ...LOG,
      check: (times, { now, member }, rule) => LOG.check(times, { now: now + 1, member }, rule),
    };
    expect(faultOf(early, atMostInWindow, exactRules)).toBeDefined();
  });

  it('a reset on refusal', () => {
    expect(faultOf({ ...LOG, refused: () => [] }, atMostInWindow, exactRules)).toBe('one too many');
    expect(faultOf({ ...GCRA, refused: () => 0 }, atMostInSpan, rates)).toBe('one too many');
    expect(faultOf({ ...DISTINCT, refused: () => DISTINCT.start }, atMostDifferent, exactRules)).toBe('one too many');
  });

  it('a refusal that spends', () => {
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

  it('a clock that goes back', () => {
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
