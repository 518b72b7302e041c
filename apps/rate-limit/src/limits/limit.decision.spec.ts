import { type LimitDimension } from '@countersign/contracts';
import {
  decideLimits,
  remainingOf,
  type LimitCheck,
  type LimitCounterState,
  type LimitDecisionAt,
  type LimitRequest,
} from './limit.decision.js';
import { type LimitRule } from './rule.decision.js';

const WIDE: LimitRule = { limit: 1000, periodSeconds: 60 };

/** Counters and decisions without a store. */
class Bed {
  readonly counters = new Map<string, LimitCounterState>();
  #commands = 0;

  decide(
    now: number,
    checks: LimitCheck[],
    more: Partial<Pick<LimitRequest, 'command' | 'member' | 'repeatSeconds'>> = {},
  ): LimitDecisionAt {
    const { command = `c${this.#commands++}`, member = 'alice', repeatSeconds = 60 } = more;
    return decideLimits(this.counters, { checks, command, repeatSeconds, member }, now);
  }
}

const check = (dimension: LimitDimension, rule: LimitRule, more: Partial<LimitCheck> = {}): LimitCheck => ({
  dimension,
  key: dimension === 'subjectsPerCaller' ? 'caller' : dimension,
  rule,
  shadow: false,
  ...more,
});

describe('the decision over all limits', () => {
  it('counts a request that one limit refuses at no limit', () => {
    const bed = new Bed();
    const checks = [
      check('caller', { limit: 3, periodSeconds: 60 }),
      check('subject', { limit: 1, periodSeconds: 60 }),
    ];
    expect(bed.decide(0, checks).admitted).toBe(true);
    for (let n = 1; n < 10; n++)
      expect(bed.decide(n, checks).refusedBy).toEqual({ dimension: 'subject', retryAt: 60_000 });
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0]);
    expect(bed.decide(60_000, checks).admitted).toBe(true);
  });

  it('reports the refusing limit with the longest wait', () => {
    const bed = new Bed();
    const checks = [check('caller', { limit: 1, periodSeconds: 60 }), check('call', { limit: 1, periodSeconds: 600 })];
    bed.decide(0, checks);
    expect(bed.decide(1000, checks).refusedBy).toEqual({ dimension: 'call', retryAt: 600_000 });
  });

  it('admits a repeated command for free, also over the limit, until it has left the window', () => {
    const bed = new Bed();
    const checks = [check('caller', { limit: 1, periodSeconds: 60 })];
    expect(bed.decide(0, checks, { command: 'same' }).admitted).toBe(true);
    expect(bed.decide(59_999, checks, { command: 'same' }).admitted).toBe(true);
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0]);
    expect(bed.decide(60_000, checks, { command: 'same' }).admitted).toBe(true);
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0, 60_000]);
    expect(bed.decide(60_001, checks, { command: 'same' }).admitted).toBe(true);
  });

  it.each([
    ['longer', 3600],
    ['shorter', 10],
  ])('admits a repetition as long as the reply is stored, if the period of the caller limit is %s', (_, period) => {
    const bed = new Bed();
    const checks = [
      check('caller', { limit: 1, periodSeconds: period }),
      check('call', { limit: 1, periodSeconds: 3600 }),
    ];
    const admits = (now: number) => bed.decide(now, checks, { command: 'same', repeatSeconds: 60 }).admitted;
    expect([admits(0), admits(15_000), admits(59_999), admits(60_000)]).toEqual([true, true, true, false]);
  });

  it('stores the newest 64 commands of a caller, however long their replies are stored', () => {
    const bed = new Bed();
    const checks = [check('caller', WIDE), check('call', { limit: 65, periodSeconds: 86_400, burst: 65 })];
    for (let n = 0; n < 65; n++) bed.decide(n, checks, { command: `c${n}`, repeatSeconds: 86_400 });
    const repeat = (command: string) => bed.decide(86_000_000, checks, { command, repeatSeconds: 86_400 });
    const tat = bed.counters.get('call')?.tat;
    expect(repeat('c1').admitted).toBe(true);
    expect(bed.counters.get('call')?.tat).toBe(tat);
    expect(repeat('c0').admitted).toBe(true);
    expect(bed.counters.get('call')?.tat).toBeGreaterThan(tat ?? 0);
  });

  it('admits a caller with earlier subjects, and with no more different subjects than the limit', () => {
    const bed = new Bed();
    const checks = [check('caller', WIDE), check('subjectsPerCaller', { limit: 2, periodSeconds: 60 })];
    expect(bed.decide(0, checks, { member: 'a' }).admitted).toBe(true);
    expect(bed.decide(1, checks, { member: 'b' }).admitted).toBe(true);
    expect(bed.decide(2, checks, { member: 'c' }).refusedBy?.dimension).toBe('subjectsPerCaller');
    expect(bed.decide(3, checks, { member: 'a' }).admitted).toBe(true);
    // `b` leaves the window first, because `a` was admitted again after it.
    expect(bed.decide(60_001, checks, { member: 'c' }).admitted).toBe(true);
    expect(bed.decide(60_002, checks, { member: 'b' }).admitted).toBe(false);
  });

  it('reports a refusal by a limit in shadow mode, admits the request, and uses no more of that limit', () => {
    const bed = new Bed();
    const checks = [check('caller', WIDE), check('subject', { limit: 1, periodSeconds: 60 }, { shadow: true })];
    expect(bed.decide(0, checks)).toMatchObject({ admitted: true, shadowRefusals: [] });
    expect(bed.decide(1, checks)).toMatchObject({ admitted: true, shadowRefusals: ['subject'] });
    expect(bed.counters.get('subject')?.admittedAt).toEqual([0]);
  });

  it('admits the repetition of a command that was admitted over a shadow limit', () => {
    const bed = new Bed();
    const checks = [
      check('caller', { limit: 1, periodSeconds: 60 }, { shadow: true }),
      check('call', { limit: 2, periodSeconds: 600 }),
    ];
    bed.decide(0, checks);
    expect(bed.decide(1, checks, { command: 'same' }).shadowRefusals).toEqual(['caller']);
    expect(bed.decide(2, checks, { command: 'same' })).toMatchObject({ admitted: true, shadowRefusals: [] });
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0]);
  });

  it('reports a near limit once, at 80 %', () => {
    const bed = new Bed();
    const checks = [check('caller', { limit: 10, periodSeconds: 60 })];
    const near = Array.from({ length: 10 }, (_, n) => bed.decide(n, checks).nearLimit.length);
    expect(near).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
  });

  it('stays exact when a limit gets lower or its period longer', () => {
    const bed = new Bed();
    for (let n = 0; n < 6; n++) bed.decide(n * 1000, [check('caller', { limit: 10, periodSeconds: 2 })]);
    const longer = [check('caller', { limit: 5, periodSeconds: 60 })];
    expect(bed.decide(6000, longer).refusedBy?.retryAt).toBe(61_000);
  });

  it('reports what remains of a rate', () => {
    const bed = new Bed();
    const rule = { limit: 100, periodSeconds: 60 };
    for (let n = 0; n < 30; n++) bed.decide(0, [check('caller', WIDE), check('tenant', rule)]);
    expect(remainingOf(bed.counters.get('tenant') as LimitCounterState, 0, rule)).toEqual({
      remaining: 70,
      resetMs: 18_000,
    });
  });
});
