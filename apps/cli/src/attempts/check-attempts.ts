import { ServiceError } from '@countersign/runtime';
import { requireRecordedKeys, type Store } from '../terminal/with-store.js';
import { table, type Write } from '../terminal/write.js';

interface Difference {
  readonly tenant: string;
  readonly guard_key: string;
  readonly tries: string | null;
  readonly rows: string;
  readonly highest: string | null;
  readonly same_try: boolean | null;
  readonly same_time: boolean | null;
  /** Columns that are not what the record says; null where there is no record. */
  readonly altered: string[] | null;
}

/** Differences that are shown; a restored backup can have one for every subject. */
const SHOWN = 100;

/**
 * Counters whose ledger says something else. The ledger numbers the tries of a reference without a gap, and its last row
 * holds what the counter said at that try; what has changed the counter since is in `eased`. A decoy that expires loses all
 * at once.
 */
const DIFFERENCES = `
WITH ledger AS (
  SELECT tenant, guard_key, count(*) AS rows, max(number) AS highest
  FROM verification.attempts GROUP BY tenant, guard_key
)
SELECT tenant, guard_key, g.tries, COALESCE(l.rows, 0) AS rows, l.highest,
  (a.granted, a.charged_lock, a.remaining) = (g.granted, g.charged_lock, g.remaining) AS same_try,
  a.spent_at = g.touched_at AS same_time,
  CASE WHEN r.state IS DISTINCT FROM NULL THEN ARRAY(
    SELECT now.key FROM jsonb_each(to_jsonb(verification.state_of(g))) now JOIN jsonb_each(to_jsonb(r.state)) said USING (key)
    WHERE now.value <> said.value
    UNION ALL SELECT 'callers' WHERE g.callers <> r.callers ORDER BY 1) END AS altered
FROM verification.guards g FULL JOIN ledger l USING (tenant, guard_key)
LEFT JOIN verification.attempts a USING (tenant, guard_key)
LEFT JOIN verification.eased e USING (tenant, guard_key),
LATERAL (SELECT CASE WHEN e.number = a.number THEN e.after ELSE a.after END AS state, COALESCE(e.callers, '{}') AS callers) r
WHERE (a.number IS NULL OR a.number = l.highest)
  AND (g.tries IS DISTINCT FROM l.highest OR l.rows IS DISTINCT FROM l.highest
    OR (a.granted, a.charged_lock, a.remaining) IS DISTINCT FROM (g.granted, g.charged_lock, g.remaining)
    OR a.spent_at IS DISTINCT FROM g.touched_at
    OR verification.state_of(g) IS DISTINCT FROM r.state OR g.callers IS DISTINCT FROM r.callers)
ORDER BY 1, 2 LIMIT ${SHOWN + 1}`;

/**
 * Compares every counter with its ledger. References are named by their keyed hash, which events call `subject_key`.
 * @throws ServiceError COUNTER_BROKEN when one differs
 */
export async function checkAttempts(store: Store, write: Write): Promise<void> {
  const { database } = store;
  // Under another key none of the counters would ever be read again.
  await requireRecordedKeys(store);
  const found = await database.query<Difference>(DIFFERENCES);
  if (found.length === 0) return write('every counter agrees with its ledger');
  const rows = found.slice(0, SHOWN).map((one) => [one.tenant, one.guard_key, one.tries ?? '-', whatIsWrong(one)]);
  write(table(['tenant', 'reference', 'tries', 'difference'], rows));
  if (found.length > SHOWN) write(`and more than these ${SHOWN}`);
  throw new ServiceError('COUNTER_BROKEN', 'counters and ledger differ: somebody wrote to the database by hand', false);
}

function whatIsWrong({ tries, rows, highest, same_try, same_time, altered }: Difference): string {
  const [counted, written, last] = [Number(tries ?? 0), Number(rows), Number(highest ?? 0)];
  if (tries === null) return `the counter is gone, the ledger has ${last} tries`;
  if (counted < last) return `set back: the ledger has ${last} tries`;
  if (counted > last) return `ahead: the ledger ends at ${last}`;
  if (written < last) return `the ledger lacks ${last - written} of ${last} rows`;
  if (altered === null) return 'the ledger does not say what the counter was after the last try';
  if (altered.length > 0) return `not as the ledger says: ${altered.join(', ')}`;
  if (same_try === false) return 'the last try was written otherwise';
  return same_time === false ? 'the time of the last try was written otherwise' : 'written otherwise';
}
