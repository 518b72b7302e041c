import { type LimitRule, type RuleResult } from './rule.decision.js';

/** Parts of a millisecond that a time of today can hold: sums of whole parts are exact, so none is lost at the border. */
const PARTS = 4096;

/** Milliseconds that one takes of the rate, rounded up to whole parts: never faster than the rule says. */
export function emissionIntervalMs({ limit, periodSeconds }: LimitRule): number {
  return Math.ceil(((periodSeconds * 1000) / limit) * PARTS) / PARTS;
}

/** How many may come at once. */
export function burstOf({ limit, burst }: LimitRule): number {
  return burst ?? limit;
}

/**
 * The generic cell rate algorithm: in no span of time pass more than `burst` and what the steady rate gives for that
 * span. Its whole memory is the theoretical arrival time: until when what was let through fills the rate.
 * @param tat the theoretical arrival time in milliseconds since 1970; 0 for a key that is new
 */
export function checkGcra(tat: number, now: number, rule: LimitRule): RuleResult {
  const each = emissionIntervalMs(rule);
  const from = Math.max(tat, now);
  const retryAt = from + each - each * burstOf(rule);
  const used = (from - now) / each;
  return now >= retryAt ? { admitted: true, retryAt: undefined, used } : { admitted: false, retryAt, used };
}

/** The theoretical arrival time after one more. */
export function spendGcra(tat: number, now: number, rule: LimitRule): number {
  return Math.max(tat, now) + emissionIntervalMs(rule);
}

/** How many could come at once, and in how many milliseconds nothing is used any more. */
export function remainingOfGcra(tat: number, now: number, rule: LimitRule): { remaining: number; resetMs: number } {
  const resetMs = Math.max(0, tat - now);
  return { remaining: Math.max(0, Math.floor(burstOf(rule) - resetMs / emissionIntervalMs(rule))), resetMs };
}
