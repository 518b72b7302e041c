import { ServiceError } from '@countersign/runtime';
import { requireRecordedKeys, type Store } from '../terminal/with-store.js';
import { table, type Write } from '../terminal/terminal.js';

interface Difference {
  readonly tenant: string;
  readonly counter_key: string;
  readonly attempt_count: string | null;
  readonly rows: string;
  readonly highest: string | null;
  readonly same_decision: boolean | null;
  readonly same_time: boolean | null;
  /** Columns that differ from the ledger; null if the ledger lacks the state. */
  readonly altered: string[] | null;
}

/** Differences that are shown; a restored backup can have one for every subject. */
const SHOWN = 100;

/**
 * Counters that differ from their ledger. The ledger numbers the attempts of a counter without gaps, and its last row holds
 * the counter after that attempt; `counter_adjustments` holds later changes. The purge of a decoy removes all of them at once.
 */
const DIFFERENCES = `
WITH ledger AS (
  SELECT tenant, counter_key, count(*) AS rows, max(number) AS highest
  FROM verification.attempts
  GROUP BY tenant, counter_key
)
SELECT
  tenant,
  counter_key,
  counter.attempt_count,
  COALESCE(ledger.rows, 0) AS rows,
  ledger.highest,
  (latest.granted, latest.charged_lock, latest.remaining)
    = (counter.granted, counter.charged_lock, counter.remaining) AS same_decision,
  latest.counted_at = counter.last_attempt_at AS same_time,
  CASE WHEN recorded.state IS DISTINCT FROM NULL THEN ARRAY(
    SELECT found.key
    FROM jsonb_each(to_jsonb(verification.counter_state_of(counter))) found
    JOIN jsonb_each(to_jsonb(recorded.state)) expected USING (key)
    WHERE found.value <> expected.value
    UNION ALL
    SELECT 'recognized_callers' WHERE counter.recognized_callers <> recorded.recognized_callers
    ORDER BY 1
  ) END AS altered
FROM verification.attempt_counters counter
FULL JOIN ledger USING (tenant, counter_key)
LEFT JOIN verification.attempts latest USING (tenant, counter_key)
LEFT JOIN verification.counter_adjustments adjustment USING (tenant, counter_key),
LATERAL (
  SELECT
    CASE WHEN adjustment.number = latest.number
      THEN adjustment.state_after ELSE verification.state_after_outcome(latest) END AS state,
    COALESCE(adjustment.recognized_callers, '{}') AS recognized_callers
) recorded
WHERE (latest.number IS NULL OR latest.number = ledger.highest)
  AND (
    counter.attempt_count IS DISTINCT FROM ledger.highest
    OR ledger.rows IS DISTINCT FROM ledger.highest
    OR (latest.granted, latest.charged_lock, latest.remaining)
      IS DISTINCT FROM (counter.granted, counter.charged_lock, counter.remaining)
    OR latest.counted_at IS DISTINCT FROM counter.last_attempt_at
    OR verification.counter_state_of(counter) IS DISTINCT FROM recorded.state
    OR counter.recognized_callers IS DISTINCT FROM recorded.recognized_callers
  )
ORDER BY tenant, counter_key
LIMIT ${SHOWN + 1}`;

/**
 * Compares every counter with its ledger. References are named by their keyed hash, which events call `subject_key`.
 * @throws ServiceError COUNTER_BROKEN when one differs
 */
export async function checkAttempts(store: Store, write: Write): Promise<void> {
  const { database } = store;
  // Under another key, none of the counters would be found again.
  await requireRecordedKeys(store);
  const found = await database.query<Difference>(DIFFERENCES);
  if (found.length === 0) return write('every counter agrees with its ledger');
  const rows = found
    .slice(0, SHOWN)
    .map((one) => [one.tenant, one.counter_key, one.attempt_count ?? '-', whatIsWrong(one)]);
  write(table(['tenant', 'reference', 'attempts', 'difference'], rows));
  if (found.length > SHOWN) write(`and more than these ${SHOWN}`);
  throw new ServiceError('COUNTER_BROKEN', 'counters and ledger differ: the database was changed by hand', false);
}

function whatIsWrong({ attempt_count, rows, highest, same_decision, same_time, altered }: Difference): string {
  const [counted, written, last] = [Number(attempt_count ?? 0), Number(rows), Number(highest ?? 0)];
  if (attempt_count === null) return `the counter is missing, the ledger has ${last} attempts`;
  if (counted < last) return `too low: the ledger has ${last} attempts`;
  if (counted > last) return `too high: the ledger ends at ${last}`;
  if (written < last) return `the ledger lacks ${last - written} of ${last} rows`;
  if (altered === null) return 'the ledger lacks the state of the counter after the last attempt';
  if (altered.length > 0) return `differs from the ledger: ${altered.join(', ')}`;
  if (same_decision === false) return 'the decision of the last attempt differs';
  return same_time === false ? 'the time of the last attempt differs' : 'differs from the ledger';
}
