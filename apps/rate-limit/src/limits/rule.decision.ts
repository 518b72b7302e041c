/**
 * At most `limit` in any window of `periodSeconds`: exactly so up to {@link EXACT_LIMIT}; above it a steady rate of
 * `limit` per `periodSeconds` with at most `burst` at once.
 */
export interface LimitRule {
  readonly limit: number;
  readonly periodSeconds: number;
  /** Only for limits above {@link EXACT_LIMIT}: how many may come at once. Default: `limit`. */
  readonly burst?: number | undefined;
}

/** The largest limit that is exact: a counter stores so many admissions individually. */
export const EXACT_LIMIT = 64;

/** The share of a limit from which `limit.near` is reported. */
const NEAR_SHARE = 0.8;
/** Smaller limits are not reported as near: 80 % of them is the limit itself. */
const NEAR_FROM = 5;

/** Whether a limit admits one more request. Times in milliseconds since 1970. */
export interface RuleResult {
  readonly admitted: boolean;
  /** The earliest time at which another request is admitted; only when refused. */
  readonly retryAt: number | undefined;
  /** How much of the limit is used before this request. */
  readonly used: number;
}

/** Whether admitting one more request takes the use of a limit to 80 %. */
export function reachesNearLimit(usedBefore: number, most: number): boolean {
  const near = Math.ceil(NEAR_SHARE * most);
  return most >= NEAR_FROM && usedBefore < near && usedBefore + 1 >= near;
}
