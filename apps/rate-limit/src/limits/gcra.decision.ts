import { type LimitRule, type RuleResult } from './rule.decision.js';

/** Parts of a millisecond that a float64 time of today can hold. Sums of whole parts are exact, so no request is lost to rounding. */
const PARTS = 4096;

/** Emission interval in milliseconds, rounded up to whole parts, so the rate is never above the rule. */
export function emissionIntervalMs({ limit, periodSeconds }: LimitRule): number {
  return Math.ceil(((periodSeconds * 1000) / limit) * PARTS) / PARTS;
}

/** How many requests are admitted at once. */
export function burstOf({ limit, burst }: LimitRule): number {
  return burst ?? limit;
}

/**
 * The generic cell rate algorithm (GCRA): no span of time admits more than `burst` plus the steady rate over that span. Its
 * only state is the theoretical arrival time: until when the admitted requests use up the rate.
 * @param tat theoretical arrival time in milliseconds since 1970; 0 for a new key
 */
export function checkGcra(tat: number, now: number, rule: LimitRule): RuleResult {
  const each = emissionIntervalMs(rule);
  const from = Math.max(tat, now);
  const retryAt = from + each - each * burstOf(rule);
  const used = (from - now) / each;
  return now >= retryAt ? { admitted: true, retryAt: undefined, used } : { admitted: false, retryAt, used };
}

/** The theoretical arrival time after one more admitted request. */
export function spendGcra(tat: number, now: number, rule: LimitRule): number {
  return Math.max(tat, now) + emissionIntervalMs(rule);
}

/** How many requests would be admitted at once, and milliseconds until the whole burst is available. */
export function remainingOfGcra(tat: number, now: number, rule: LimitRule): { remaining: number; resetMs: number } {
  const resetMs = Math.max(0, tat - now);
  return { remaining: Math.max(0, Math.floor(burstOf(rule) - resetMs / emissionIntervalMs(rule))), resetMs };
}
