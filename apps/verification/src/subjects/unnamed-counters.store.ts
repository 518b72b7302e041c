import { type Method } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { type Database } from '@countersign/persistence';
import { counterKeyOf } from '../attempts/gate/attempt-counter.decision.js';
import { NAME_SUBJECTS } from '../attempts/gate/attempt-counter.sql.js';

/** The maximum number of credentials per run, so a run is short. */
const BATCH = 500;

/** Most of these counters are decoys. */
const FIND_TENANTS = `
SELECT tenant, min(last_attempt_at) AS since
FROM verification.attempt_counters
WHERE subject_id IS NULL AND GREATEST(locked_until, unrecognized_locked_until) > clock_timestamp()
GROUP BY tenant`;

/** An earlier credential has its subject in the counter, because the latest attempt wrote it. $1 tenant, $2 time, $3 subject and $4 kind before the first one, $5 rows */
const FIND_ENROLLED_SINCE = `
SELECT subject_id, kind
FROM verification.credentials
WHERE tenant = $1
  AND (subject_id, kind) > ($3, $4)
  AND kind IN ('pin', 'knowledge')
  AND enrolled_at >= $2
ORDER BY subject_id, kind
LIMIT $5`;

interface Position {
  readonly subject_id: string;
  readonly kind: Method | '';
}

interface Pass {
  readonly tenant: string;
  readonly since: Date;
  readonly after: Position;
}

/**
 * Writes subjects into locked counters without one, so that the list of locked subjects has them: counters that began as decoys,
 * and whose subjects got a credential from a version that did not name them; and counters that were restored after they were
 * removed; and counters whose first attempt, during an enrolment, locked them. One pass after a start is enough, because the next
 * attempt names the subject too.
 */
export class UnnamedCounters {
  #pending: readonly Pass[] | undefined;

  constructor(
    private readonly database: Database,
    /** Under the names key. */
    private readonly names: KeyedHash,
  ) {}

  /**
   * Handles the next batch of the pass. Changes nothing after the pass has ended.
   * @throws ServiceError DATABASE_UNAVAILABLE; the next run continues
   */
  async run(): Promise<void> {
    if (this.#pending === undefined) {
      const found = await this.database.forAllTenants().query<Omit<Pass, 'after'>>(FIND_TENANTS);
      this.#pending = found.map((one) => ({ ...one, after: { subject_id: '', kind: '' } }));
    }
    const [pass, ...others] = this.#pending;
    if (pass === undefined) return;
    const { tenant, since, after } = pass;
    const database = this.database.forTenants([tenant]);
    const params = [tenant, since, after.subject_id, after.kind, BATCH];
    const rows = await database.query<{ subject_id: string; kind: Method }>(FIND_ENROLLED_SINCE, params);
    const keys = rows.map((row) => counterKeyOf(this.names.subjectKey(tenant, 'id', row.subject_id), row.kind));
    await database.query(NAME_SUBJECTS, [tenant, keys, rows.map((row) => row.subject_id)]);
    const last = rows.at(-1);
    this.#pending = last === undefined || rows.length < BATCH ? others : [{ ...pass, after: last }, ...others];
  }
}
