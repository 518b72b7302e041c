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

class Bed {
  readonly counters = new Map<string, LimitCounterState>();
  #commands = 0;

  ask(
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
  it('spends none when one refuses', () => {
    const bed = new Bed();
    const checks = [
      check('caller', { limit: 3, periodSeconds: 60 }),
      check('subject', { limit: 1, periodSeconds: 60 }),
    ];
    expect(bed.ask(0, checks).admitted).toBe(true);
    for (let n = 1; n < 10; n++)
      expect(bed.ask(n, checks).refusedBy).toEqual({ dimension: 'subject', retryAt: 60_000 });
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0]);
    expect(bed.ask(60_000, checks).admitted).toBe(true);
  });

  it('tells the limit that lets one more pass last', () => {
    const bed = new Bed();
    const checks = [check('caller', { limit: 1, periodSeconds: 60 }), check('call', { limit: 1, periodSeconds: 600 })];
    bed.ask(0, checks);
    expect(bed.ask(1000, checks).refusedBy).toEqual({ dimension: 'call', retryAt: 600_000 });
  });

  it('lets a repeated command pass for free, also over the limit, until it has left the window', () => {
    const bed = new Bed();
    const checks = [check('caller', { limit: 1, periodSeconds: 60 })];
    expect(bed.ask(0, checks, { command: 'same' }).admitted).toBe(true);
    expect(bed.ask(59_999, checks, { command: 'same' }).admitted).toBe(true);
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0]);
    expect(bed.ask(60_000, checks, { command: 'same' }).admitted).toBe(true);
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0, 60_000]);
    expect(bed.ask(60_001, checks, { command: 'same' }).admitted).toBe(true);
  });

  it.each([
    ['longer', 3600],
    ['shorter', 10],
  ])('lets a command pass again for as long as its answer is kept, where the period of callers is %s', (_, period) => {
    const bed = new Bed();
    const checks = [
      check('caller', { limit: 1, periodSeconds: period }),
      check('call', { limit: 1, periodSeconds: 3600 }),
    ];
    const ask = (now: number) => bed.ask(now, checks, { command: 'same', repeatSeconds: 60 }).admitted;
    expect([ask(0), ask(15_000), ask(59_999), ask(60_000)]).toEqual([true, true, true, false]);
  });

  it('knows the newest 64 commands of a caller, however long their answers are kept', () => {
    const bed = new Bed();
    const checks = [check('caller', WIDE), check('call', { limit: 65, periodSeconds: 86_400, burst: 65 })];
    for (let n = 0; n < 65; n++) bed.ask(n, checks, { command: `c${n}`, repeatSeconds: 86_400 });
    const again = (command: string) => bed.ask(86_000_000, checks, { command, repeatSeconds: 86_400 });
    const tat = bed.counters.get('call')?.tat;
    expect(again('c1').admitted).toBe(true);
    expect(bed.counters.get('call')?.tat).toBe(tat);
    expect(again('c0').admitted).toBe(true);
    expect(bed.counters.get('call')?.tat).toBeGreaterThan(tat ?? 0);
  });

  it('lets a caller return to a subject, and meet no more others than the limit', () => {
    const bed = new Bed();
    const checks = [check('caller', WIDE), check('subjectsPerCaller', { limit: 2, periodSeconds: 60 })];
    expect(bed.ask(0, checks, { member: 'a' }).admitted).toBe(true);
    expect(bed.ask(1, checks, { member: 'b' }).admitted).toBe(true);
    expect(bed.ask(2, checks, { member: 'c' }).refusedBy?.dimension).toBe('subjectsPerCaller');
    expect(bed.ask(3, checks, { member: 'a' }).admitted).toBe(true);
    // `b` leaves first: `a` was seen after it.
    expect(bed.ask(60_001, checks, { member: 'c' }).admitted).toBe(true);
    expect(bed.ask(60_002, checks, { member: 'b' }).admitted).toBe(false);
  });

  it('reports a limit in shadow mode and does not refuse, and spends it no further', () => {
    const bed = new Bed();
    const checks = [check('caller', WIDE), check('subject', { limit: 1, periodSeconds: 60 }, { shadow: true })];
    expect(bed.ask(0, checks)).toMatchObject({ admitted: true, shadowRefusals: [] });
    expect(bed.ask(1, checks)).toMatchObject({ admitted: true, shadowRefusals: ['subject'] });
    expect(bed.counters.get('subject')?.admittedAt).toEqual([0]);
  });

  it('knows the command of a caller who is over a limit in shadow mode', () => {
    const bed = new Bed();
    const checks = [
      check('caller', { limit: 1, periodSeconds: 60 }, { shadow: true }),
      check('call', { limit: 2, periodSeconds: 600 }),
    ];
    bed.ask(0, checks);
    expect(bed.ask(1, checks, { command: 'same' }).shadowRefusals).toEqual(['caller']);
    expect(bed.ask(2, checks, { command: 'same' })).toMatchObject({ admitted: true, shadowRefusals: [] });
    expect(bed.counters.get('caller')?.admittedAt).toEqual([0]);
  });

  it('says once that a limit comes near, at 80 %', () => {
    const bed = new Bed();
    const checks = [check('caller', { limit: 10, periodSeconds: 60 })];
    const near = Array.from({ length: 10 }, (_, n) => bed.ask(n, checks).nearLimit.length);
    expect(near).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
  });

  it('keeps a log that is exact when a rule is made stricter or its period longer', () => {
    const bed = new Bed();
    for (let n = 0; n < 6; n++) bed.ask(n * 1000, [check('caller', { limit: 10, periodSeconds: 2 })]);
    const longer = [check('caller', { limit: 5, periodSeconds: 60 })];
    expect(bed.ask(6000, longer).refusedBy?.retryAt).toBe(61_000);
  });

  it('says what is left', () => {
    const bed = new Bed();
    const rule = { limit: 100, periodSeconds: 60 };
    for (let n = 0; n < 30; n++) bed.ask(0, [check('caller', WIDE), check('tenant', rule)]);
    expect(remainingOf(bed.counters.get('tenant') as LimitCounterState, 0, rule)).toEqual({
      remaining: 70,
      resetMs: 18_000,
    });
  });
});
