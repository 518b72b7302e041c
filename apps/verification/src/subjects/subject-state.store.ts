import { METHODS, type Method } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { counterKeyOf } from '../attempts/attempt-counter.decision.js';
import { shownFailures, type GuessCounter, type SubjectState } from './subject-state.decision.js';

/** What is shown of a subject at one of the methods; null where nothing is enrolled, or nobody ever guessed. */
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
 * One row for each method, and none where there is no such subject. Neither wrapped bytes nor a cap, which tells how long
 * a PIN is, are read. $1 tenant, $2 subject, $3 methods, $4 the key of each one's counter,
 * $5 seconds
 */
const STATE = `
SELECT m.method, c.enrolled_at, c.must_change, g.failures, g.disabled, s.updated_at,
  (SELECT count(*)::int FROM (
     SELECT unnest(g.recognized_attempts) AS at, g.locked_until AS until
     UNION ALL SELECT unnest(g.unrecognized_attempts), g.unrecognized_locked_until) a
   WHERE a.at > clock_timestamp() - make_interval(secs => $5)
     AND NOT COALESCE(a.until <= clock_timestamp(), false)) AS attempts_in_window,
  (SELECT max(u) FROM unnest(ARRAY[g.locked_until, g.unrecognized_locked_until]) AS u
   WHERE u > clock_timestamp()) AS locked_until,
  (SELECT count(*)::int FROM verification.subject_phones n
   WHERE n.tenant = s.tenant AND n.subject_id = s.subject_id) AS phones
FROM verification.subjects s
CROSS JOIN unnest($3::text[], $4::text[]) WITH ORDINALITY AS m(method, counter_key, place)
LEFT JOIN verification.credentials c ON c.tenant = s.tenant AND c.subject_id = s.subject_id AND c.kind = m.method
LEFT JOIN verification.attempt_counters g ON g.tenant = s.tenant AND g.counter_key = m.counter_key
WHERE s.tenant = $1 AND s.subject_id = $2
ORDER BY m.place`;

/**
 * @param referenceKey keyed hash of the subject's id
 * @param windowSeconds guesses that are older are not shown: no window holds them any more
 * @returns undefined: no such subject
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

function counterOf(row: StateRow): GuessCounter {
  const disabled = row.disabled ?? false;
  return {
    attemptsInWindow: row.attempts_in_window,
    lockedUntil: row.locked_until?.toISOString(),
    consecutiveFailures: shownFailures({ failures: row.failures ?? 0, disabled }),
    disabled,
  };
}
