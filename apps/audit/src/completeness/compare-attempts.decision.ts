import { type AttemptsReported, type LedgerFault, type Method, type Outcome } from '@countersign/contracts';

/**
 * How ledger, log and topic can differ.
 * - `not_logged`: the ledger has the attempt, the log does not
 * - `not_counted`: the log has the attempt, the ledger does not
 * - `logged_twice`: the log has two entries for the attempt
 * - `altered`: the entry has another number or outcome than the ledger, or cannot be read
 * - `undecided`: the attempt was counted, and has no outcome
 * - those of {@link LedgerFault}: the ledger differs from itself, or from the counter
 * - `not_published`: the log has the entry, the topic does not
 * - `not_in_log`: the topic has an entry that the log does not have
 */
export const DIFFERENCES = [
  'not_logged',
  'not_counted',
  'logged_twice',
  'altered',
  'undecided',
  'missing_before',
  'missing_after',
  'counter_below',
  'not_published',
  'not_in_log',
] as const;
export type Difference = (typeof DIFFERENCES)[number];

/** A difference at an attempt. */
export interface AttemptDifference {
  readonly difference: Difference;
  /** Id of the attempt, or of the event if its entry cannot be read. */
  readonly key: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  readonly method: Method | undefined;
  readonly number: number | undefined;
  /** ISO 8601. */
  readonly countedAt: string;
}

/** The entry of an attempt in the log. */
export interface LogAttempt {
  readonly eventId: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  /** Time of the event, which is that of the attempt: ISO 8601 in milliseconds. */
  readonly countedAt: string;
  /** Undefined: the published bytes are not those of an attempt. */
  readonly attempt: { readonly id: string; readonly number: number; readonly outcome: Outcome | undefined } | undefined;
}

/** The outcomes of the ledger, by the status codes of events. */
const OUTCOMES_BY_CODE: ReadonlyMap<unknown, Outcome> = new Map([
  ['VERIFIED', 'verified'],
  ['PIN_MISMATCH', 'rejected'],
  ['ANSWERS_MISMATCH', 'rejected'],
  ['LOCKED', 'locked'],
  ['DISABLED', 'disabled'],
  ['UNAVAILABLE', 'unavailable'],
]);

/** The attempt of a published event. */
export function readLoggedAttempt(value: Uint8Array): LogAttempt['attempt'] {
  try {
    const event = JSON.parse(new TextDecoder().decode(value)) as {
      status_code?: unknown;
      unmapped?: { verification_id?: unknown; attempt?: unknown };
    };
    const { verification_id: id, attempt: number } = event.unmapped ?? {};
    if (typeof id !== 'string' || typeof number !== 'number') return undefined;
    return { id, number, outcome: OUTCOMES_BY_CODE.get(event.status_code) };
  } catch {
    return undefined;
  }
}

/**
 * Compares the attempts of a period with the entries of the same period. Attempts are matched by their id, so neither a new
 * IDENTIFIER_KEY nor an erasure makes a difference.
 * @param prunedBefore entries from before this time, ISO 8601, may have been pruned; default: none were
 */
export function compareAttempts(
  { attempts, purgedBefore }: Pick<AttemptsReported, 'attempts' | 'purgedBefore'>,
  logged: readonly LogAttempt[],
  prunedBefore = '',
): AttemptDifference[] {
  const found: AttemptDifference[] = [];
  const entries = new Map<string, LogAttempt[]>();
  for (const entry of logged) {
    const { eventId, attempt } = entry;
    if (attempt === undefined) found.push(differenceAt('altered', eventId, entry, undefined, undefined));
    else entries.set(attempt.id, [...(entries.get(attempt.id) ?? []), entry]);
  }
  for (const { attemptId, method, number, outcome, fault, ...where } of attempts) {
    const add = (difference: Difference, at = number): void =>
      void found.push(differenceAt(difference, attemptId, where, method, at));
    const own = entries.get(attemptId) ?? [];
    entries.delete(attemptId);
    if (fault !== undefined) add(fault, missingNumber(fault, number));
    if (own.length > 1) add('logged_twice');
    if (own.some(({ attempt }) => attempt?.number !== number || (outcome && attempt.outcome !== outcome)))
      add('altered');
    if (own.length > 0) continue;
    if (outcome === undefined) add('undecided');
    else if (where.countedAt >= prunedBefore) add('not_logged');
  }
  for (const [attemptId, [entry]] of entries) {
    if (entry !== undefined && entry.countedAt >= purgedBefore)
      found.push(differenceAt('not_counted', attemptId, entry, undefined, entry.attempt?.number));
  }
  return found;
}

function differenceAt(
  difference: Difference,
  key: string,
  {
    tenant,
    subject,
    countedAt,
  }: Pick<AttemptDifference, 'tenant' | 'countedAt'> & { readonly subject?: string | undefined },
  method: Method | undefined,
  number: number | undefined,
): AttemptDifference {
  return { difference, key, tenant, subject, method, number, countedAt };
}

function missingNumber(fault: LedgerFault, number: number): number {
  switch (fault) {
    case 'missing_before':
      return number - 1;
    case 'missing_after':
      return number + 1;
    case 'counter_below':
      return number;
  }
}
