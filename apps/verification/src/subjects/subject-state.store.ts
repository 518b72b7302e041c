import { METHODS, type Method } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { counterKeyOf } from '../attempts/attempt-counter.decision.js';
import { shownFailures, type CounterState, type SubjectState } from './subject-state.decision.js';

/** The state of a subject for one method; null where nothing is enrolled, or there was no attempt. */
interface StateRow {
  method: Method;
  enrolled_at: Date | null;
  must_change: boolean | null;
  attempts_in_window: number;
  failures: number | null;
  disabled: boolean | null;
  locked_until: Date | null;
  phones: number;
  updated_at: Date;
}

/**
 * One row for each method; none if the subject does not exist. Reads neither ciphertext nor caps, because a cap reveals the
 * length of a PIN. $1 tenant, $2 subject, $3 methods, $4 their counter keys, $5 seconds of the window
 */
const STATE = `
SELECT
  requested.method,
  credential.enrolled_at,
  credential.must_change,
  counter.failures,
  counter.disabled,
  s.updated_at,
  (
    SELECT count(*)::int
    FROM (
      SELECT unnest(counter.recognized_attempts) AS at, counter.locked_until
      UNION ALL
      SELECT unnest(counter.unrecognized_attempts), counter.unrecognized_locked_until
    ) attempt
    WHERE attempt.at > clock_timestamp() - make_interval(secs => $5)
      AND NOT COALESCE(attempt.locked_until <= clock_timestamp(), false)
  ) AS attempts_in_window,
  (
    SELECT max(locked_until)
    FROM unnest(ARRAY[counter.locked_until, counter.unrecognized_locked_until]) AS locked_until
    WHERE locked_until > clock_timestamp()
  ) AS locked_until,
  (
    SELECT count(*)::int
    FROM verification.subject_phones phone
    WHERE phone.tenant = s.tenant AND phone.subject_id = s.subject_id
  ) AS phones
FROM verification.subjects s
CROSS JOIN unnest($3::text[], $4::text[]) WITH ORDINALITY AS requested(method, counter_key, place)
LEFT JOIN verification.credentials credential
  ON credential.tenant = s.tenant AND credential.subject_id = s.subject_id AND credential.kind = requested.method
LEFT JOIN verification.attempt_counters counter
  ON counter.tenant = s.tenant AND counter.counter_key = requested.counter_key
WHERE s.tenant = $1 AND s.subject_id = $2
ORDER BY requested.place`;

/**
 * @param referenceKey keyed hash of the subject's id
 * @param windowSeconds older attempts are not shown, because no window includes them
 * @returns undefined if the subject does not exist
 */
export async function readState(
  database: Database,
  tenant: string,
  subject: string,
  referenceKey: string,
  windowSeconds: number,
): Promise<SubjectState | undefined> {
  const rows = await database
    .forTenants([tenant])
    .query<StateRow>(STATE, [
      tenant,
      subject,
      METHODS,
      METHODS.map((method) => counterKeyOf(referenceKey, method)),
      windowSeconds,
    ]);
  const pin = rows.find(({ method }) => method === 'pin');
  if (!pin) return undefined;
  const credentials = rows.flatMap((row) =>
    row.enrolled_at === null
      ? []
      : [
          {
            method: row.method,
            enrolledAt: row.enrolled_at.toISOString(),
            mustChange: row.must_change ?? false,
            ...counterOf(row),
          },
        ],
  );
  return {
    subject,
    pinEnrolled: pin.enrolled_at !== null,
    pinMustChange: pin.must_change ?? false,
    knowledgeEnrolled: credentials.some(({ method }) => method === 'knowledge'),
    phones: pin.phones,
    ...counterOf(pin),
    credentials,
    updatedAt: pin.updated_at.toISOString(),
  };
}

function counterOf(row: StateRow): CounterState {
  const disabled = row.disabled ?? false;
  return {
    attemptsInWindow: row.attempts_in_window,
    lockedUntil: row.locked_until?.toISOString(),
    consecutiveFailures: shownFailures({ failures: row.failures ?? 0, disabled }),
    disabled,
  };
}
