import { type Method } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { tablePages, type Database } from '@countersign/persistence';
import { counterKeyOf } from '../attempts/gate/attempt-counter.decision.js';
import { NAME_SUBJECTS } from '../attempts/gate/attempt-counter.sql.js';

/** The maximum number of credentials per run, so a run is short. */
const BATCH = 500;

/** Pages of the counters per run: 8 MB, about 40,000 counters. One statement for all would exceed its time limit in a large table. */
const PAGES = 1_000;

/**
 * Most of these counters are decoys. Reads pages, because each lock of a decoy would change an index, which only a start reads. A
 * counter that moves to a page that was read has had an attempt, which has written its subject. $1 and $2 ctids
 */
const FIND_TENANTS = `
SELECT DISTINCT tenant
FROM verification.attempt_counters
WHERE ctid >= $1::tid AND ctid < $2::tid AND subject_id IS NULL AND GREATEST(locked_until, unrecognized_locked_until) > clock_timestamp()`;

/** In the order of the primary key, so that no more rows are read than returned. $1 tenant, $2 subject and $3 kind before the first one, $4 rows */
const FIND_CREDENTIALS = `
SELECT subject_id, kind
FROM verification.credentials
WHERE tenant = $1 AND (subject_id, kind) > ($2, $3)
ORDER BY subject_id, kind
LIMIT $4`;

interface Position {
  readonly subject_id: string;
  readonly kind: Method | '';
}

interface Pass {
  readonly tenant: string;
  readonly after: Position;
}

/**
 * Writes the subjects of credentials into the counters of tenants that have locked counters without a subject, because the list of
 * locked subjects begins at counters. Such counters are decoys, and three others: one that began as a decoy before its subject got a
 * credential from an older version; one that was removed and restored; and one that was locked by its first attempt while the row of
 * the subject was locked. Runs once after each start, because the next attempt at a counter also writes its subject.
 */
export class UnnamedCounters {
  /** The next page of the search for tenants, and the first one after the search. */
  #search: { readonly page: number; readonly end: number } | undefined;
  readonly #tenants = new Set<string>();
  /** Undefined until the search has ended. */
  #pending: readonly Pass[] | undefined;

  constructor(
    private readonly database: Database,
    /** Under the names key. */
    private readonly names: KeyedHash,
    private readonly pages = PAGES,
  ) {}

  /**
   * Handles the next pages or the next batch of the pass. Changes nothing after the pass has ended.
   * @throws ServiceError DATABASE_UNAVAILABLE; the next run continues
   */
  async run(): Promise<void> {
    if (this.#pending === undefined) return this.#findTenants();
    const [pass, ...others] = this.#pending;
    if (pass === undefined) return;
    const { tenant, after } = pass;
    const database = this.database.forTenants([tenant]);
    const params = [tenant, after.subject_id, after.kind, BATCH];
    const rows = await database.query<{ subject_id: string; kind: Method }>(FIND_CREDENTIALS, params);
    const keys = rows.map((row) => counterKeyOf(this.names.subjectKey(tenant, 'id', row.subject_id), row.kind));
    await database.query(NAME_SUBJECTS, [tenant, keys, rows.map((row) => row.subject_id)]);
    const last = rows.at(-1);
    this.#pending = last === undefined || rows.length < BATCH ? others : [{ ...pass, after: last }, ...others];
  }

  async #findTenants(): Promise<void> {
    const database = this.database.forAllTenants();
    const { page, end } = (this.#search ??= {
      page: 0,
      end: await tablePages(database, 'verification.attempt_counters'),
    });
    const next = page + this.pages;
    const found = await database.query<{ tenant: string }>(FIND_TENANTS, [`(${page},0)`, `(${next},0)`]);
    for (const { tenant } of found) this.#tenants.add(tenant);
    this.#search = { page: next, end };
    if (next >= end)
      this.#pending = [...this.#tenants].map((tenant) => ({ tenant, after: { subject_id: '', kind: '' } }));
  }
}
