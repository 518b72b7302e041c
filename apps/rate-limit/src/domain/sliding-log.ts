import { type Limit } from '@countersign/contracts';

/** What was let through for one key, oldest first: when (milliseconds since 1970) and which command. */
export interface SlidingLog {
  readonly hits: readonly { readonly at: number; readonly commandId: string }[];
}

export interface Admission {
  readonly admitted: boolean;
  /** Only when refused: the first moment at which a request can pass, in milliseconds since 1970. */
  readonly retryAt: number | undefined;
  readonly log: SlidingLog;
}

export const EMPTY: SlidingLog = { hits: [] };

/**
 * Exact: in no window of `periodSeconds`, wherever it begins, are more than `limit` commands let through. A refusal
 * leaves no trace, so who waits as long as told gets in. A command that was let through before passes again for free.
 * The store's SQL statement is held equal to this function by the contract suite.
 */
export function admit(log: SlidingLog, commandId: string, now: number, { limit, periodSeconds }: Limit): Admission {
  const period = periodSeconds * 1000;
  const hits = log.hits.filter(({ at }) => at > now - period);
  if (hits.some((hit) => hit.commandId === commandId)) return { admitted: true, retryAt: undefined, log: { hits } };
  if (hits.length < limit) {
    return { admitted: true, retryAt: undefined, log: { hits: [...hits, { at: now, commandId }] } };
  }
  // With a limit that was tightened, more than one hit has to leave before there is room.
  const leaves = hits[hits.length - limit]?.at ?? now;
  return { admitted: false, retryAt: leaves + period, log: { hits } };
}
