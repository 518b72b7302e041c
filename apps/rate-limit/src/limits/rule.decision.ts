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

/** The largest limit that is exact: what a counter remembers one by one. */
export const EXACT_LIMIT = 64;

/** From this share of a limit on it is near. */
const NEAR_SHARE = 0.8;
/** A limit below this has no room between near and reached. */
const NEAR_FROM = 5;

/** What a limit says to one more. Times in milliseconds since 1970. */
export interface RuleResult {
  readonly admitted: boolean;
  /** The first moment at which one more can pass; only when refused. */
  readonly retryAt: number | undefined;
  /** How much of the limit is used before this one. */
  readonly used: number;
}

/** Whether the one that is let through takes the use of a limit over 80 %. */
export function reachesNearLimit(usedBefore: number, most: number): boolean {
  const near = Math.ceil(NEAR_SHARE * most);
  return most >= NEAR_FROM && usedBefore < near && usedBefore + 1 >= near;
}
