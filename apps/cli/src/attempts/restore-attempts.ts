import { encodeMessage, type FactRecorded, factRecorded } from '@countersign/contracts';
import { Outbox, type Sql } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { type Store } from '../terminal/with-store.js';
import { type Write } from '../terminal/terminal.js';

const COLUMNS = `
    attempt_count,
    subject_id,
    granted,
    charged_lock,
    charged_disable,
    unrecognized,
    remaining,
    last_attempt_at,
    recognized_callers,
    recognized_attempts,
    lock_level,
    locked_until,
    unrecognized_attempts,
    unrecognized_lock_level,
    unrecognized_locked_until,
    failures,
    unrecognized_failures,
    disabled`;

/**
 * Writes a counter as the last row of its ledger, and its adjustments, have it. The ledger does not state the subject of a counter
 * if it got one after its last attempt, so a counter keeps its subject. What operators see of callers is removed with their
 * recognition. $1 tenant, $2 counter key
 */
const RESTORE = `
WITH latest AS (
  SELECT
    attempt.*,
    COALESCE(adjustment.recognized_callers, '{}') AS recognized_callers,
    CASE WHEN adjustment.number = attempt.number
      THEN adjustment.state_after ELSE verification.state_after_outcome(attempt) END AS state
  FROM verification.attempts attempt
  LEFT JOIN verification.counter_adjustments adjustment USING (tenant, counter_key)
  WHERE tenant = $1 AND counter_key = $2
  ORDER BY attempt.number DESC
  LIMIT 1
), restored AS (
  INSERT INTO verification.attempt_counters AS counter (
      tenant,
      counter_key,${COLUMNS}
  )
  SELECT
    $1,
    $2,
    number,
    subject_id,
    granted,
    charged_lock,
    charged_disable,
    unrecognized,
    remaining,
    counted_at,
    recognized_callers,
    (state).*
  FROM latest
  WHERE state IS DISTINCT FROM NULL
  ON CONFLICT (tenant, counter_key) DO UPDATE
    SET (${COLUMNS}
    ) = (SELECT ${COLUMNS.replaceAll(/\b([a-z]\w+)/g, 'EXCLUDED.$1').replace(
      'EXCLUDED.subject_id',
      'COALESCE(EXCLUDED.subject_id, counter.subject_id)',
    )}
    )
  RETURNING attempt_count, subject_id, counter.recognized_callers, clock_timestamp() AS now
), unsealed AS (
  DELETE FROM verification.recognized_callers recognized
  USING restored
  WHERE recognized.tenant = $1
    AND recognized.subject_id = restored.subject_id
    AND recognized.kind = CASE WHEN position(':' IN $2) = 0 THEN 'pin' ELSE 'knowledge' END
    AND recognized.caller <> ALL (restored.recognized_callers)
)
SELECT attempt_count, subject_id, now
FROM restored`;

interface Restored {
  readonly attempt_count: string;
  readonly subject_id: string | null;
  readonly now: Date;
}

/**
 * Restores a counter that was altered or removed from its ledger. Records the event `credential.restored`, so that this
 * change is in the audit log too.
 * @param reference as `attempts check` shows it
 * @throws ServiceError COUNTER_BROKEN if the ledger lacks the state of the counter
 */
export async function restoreAttempts(
  { database }: Store,
  tenant: string,
  reference: string,
  write: Write,
): Promise<void> {
  const [restored] = await database.transaction(async (tx) => {
    // Locks the counter before the ledger is read, so that no attempt is counted in between.
    await tx.query('SELECT FROM verification.attempt_counters WHERE tenant = $1 AND counter_key = $2 FOR UPDATE', [
      tenant,
      reference,
    ]);
    const rows = await tx.query<Restored>(RESTORE, [tenant, reference]);
    if (rows[0]) await recordRestore(tx, database, { tenant, subjectKey: reference }, rows[0]);
    return rows;
  });
  if (!restored)
    throw new ServiceError(
      'COUNTER_BROKEN',
      'The ledger lacks the state of this counter; see attempts check for tenant and reference',
      false,
    );
  write(`restored the counter from its ledger, after ${restored.attempt_count} attempts`);
}

/** Records the event; verification publishes it. */
async function recordRestore(
  tx: Sql,
  database: Store['database'],
  counter: Pick<FactRecorded, 'tenant' | 'subjectKey'>,
  { attempt_count, subject_id: subject, now }: Restored,
): Promise<void> {
  const fact = factRecorded('credential.restored', now, {
    ...counter,
    ...(subject === null ? {} : { subject }),
    detail: { what: 'counter', tries: Number(attempt_count) },
  });
  await new Outbox(database).add(tx, [encodeMessage(fact.factId, fact)]);
}
