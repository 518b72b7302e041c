import { EXACT_LIMIT, type LimitRule, type RuleResult } from './rule.decision.js';

/**
 * Exact: no window of the period admits more than `limit` requests, wherever it begins and whatever the clock does. Another
 * request is admitted when the one that came `limit` requests earlier has left the window.
 * @param times times of the newest admitted requests, oldest first, in milliseconds since 1970
 */
export function checkLog(times: readonly number[], now: number, { limit, periodSeconds }: LimitRule): RuleResult {
  const period = periodSeconds * 1000;
  const blocking = times[times.length - limit];
  const used = times.filter((at) => at > now - period).length;
  if (blocking === undefined || blocking <= now - period) return { admitted: true, retryAt: undefined, used };
  return { admitted: false, retryAt: blocking + period, used };
}

/** The time at which the next request counts as admitted: never before the previous one, even if the clock moves back. */
export function countedAt(times: readonly number[], now: number): number {
  return Math.max(now, times.at(-1) ?? now);
}

/** Keeps the newest entries. They are enough for every exact limit and every period, so a rule may change at any time. */
export function keepNewest<T>(list: readonly T[], most: number = EXACT_LIMIT): T[] {
  return list.slice(-most);
}
