import { EXACT_LIMIT, type LimitRule, type RuleResult } from './rule.decision.js';

/**
 * Exact: in no window of the period, wherever it begins, are more than `limit` let through, whatever the clock does. One
 * more passes when the one that came `limit` before it has left the window.
 * @param hits when the newest were let through, oldest first, in milliseconds since 1970
 */
export function checkLog(hits: readonly number[], now: number, { limit, periodSeconds }: LimitRule): RuleResult {
  const period = periodSeconds * 1000;
  const blocking = hits[hits.length - limit];
  const used = hits.filter((at) => at > now - period).length;
  if (blocking === undefined || blocking <= now - period) return { admitted: true, retryAt: undefined, used };
  return { admitted: false, retryAt: blocking + period, used };
}

/** When the next one counts as let through: never before the one before it, also when the clock goes back. */
export function hitAt(hits: readonly number[], now: number): number {
  return Math.max(now, hits.at(-1) ?? now);
}

/** The newest are enough for every exact limit and every period, so a rule may change at any time. */
export function keepNewest<T>(list: readonly T[], most: number = EXACT_LIMIT): T[] {
  return list.slice(-most);
}
