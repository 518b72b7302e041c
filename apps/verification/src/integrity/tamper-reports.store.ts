import { encodeMessage, factRecorded } from '@countersign/contracts';
import { METRICS, traceHeaders, type Logger } from '@countersign/observability';
import { Outbox, type Database, databaseTime } from '@countersign/persistence';

const TAMPERED = ['credential', 'profile', 'phone', 'counter', 'reply', 'verification'] as const;
const REASONS = [
  ...(['altered', 'rolled_back', 'unknown_key', 'parameters'] as const),
  ...(['below_ledger', 'differs_from_ledger', 'untagged'] as const),
];

/** Stored data that this service did not write. */
export interface Tampering {
  readonly what: (typeof TAMPERED)[number];
  /**
   * - `altered`: changed, swapped or copied from another row
   * - `rolled_back`: a row from an older state
   * - `unknown_key`: the keyring does not have its key
   * - `parameters`: a hash with a cost out of bounds
   * - `below_ledger`: a counter that was set back
   * - `differs_from_ledger`: a counter with windows, locks, failures or callers that differ from its ledger, or with a latest
   *   attempt that the ledger does not have
   * - `untagged`: a reply or a success without a tag
   */
  readonly reason: (typeof REASONS)[number];
  readonly tenant: string;
  readonly subject?: string;
  /** Keyed hash of the reference. */
  readonly subjectKey?: string;
}

/** Never rejects: the data is refused whether or not the report succeeds. */
export type ReportTampering = (tampering: Tampering) => Promise<void>;

/** Each row is reported once per interval, in milliseconds, so repeated attempts cannot flood the audit log. */
const REPORT_INTERVAL_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** Reports altered stored data to the log, the metrics and the audit log. */
export class TamperReports {
  readonly #outbox: Outbox;
  readonly #reportedAt = new Map<string, number>();

  constructor(
    private readonly database: Database,
    private readonly logger: Logger,
    private readonly wakeRelay: () => void,
  ) {
    this.#outbox = new Outbox(database);
    // Prometheus sees the first altered row as an increase only if the counter was 0 before it.
    for (const what of TAMPERED) for (const reason of REASONS) METRICS.tampered.inc({ what, reason }, 0);
  }

  readonly report: ReportTampering = async (tampering) => {
    const { what, reason, tenant } = tampering;
    METRICS.tampered.inc({ what, reason });
    if (!this.#isDue(`${what} ${tenant} ${tampering.subject ?? tampering.subjectKey ?? ''}`)) return;
    this.logger.error(
      { what, reason, tenant },
      'stored data was altered and is refused; the audit log names the subject',
    );
    try {
      await this.#record(tampering);
    } catch (error) {
      this.logger.error({ err: error }, 'a report of altered data could not be stored');
    }
  };

  #isDue(row: string): boolean {
    const now = performance.now();
    const last = this.#reportedAt.get(row);
    if (last !== undefined && now - last < REPORT_INTERVAL_MS) return false;
    if (this.#reportedAt.size >= MAX_REMEMBERED) this.#reportedAt.clear();
    this.#reportedAt.set(row, now);
    return true;
  }

  async #record({ what, reason, tenant, subject, subjectKey }: Tampering): Promise<void> {
    await this.database.transaction(async (tx) => {
      const fact = factRecorded('credential.broken', await databaseTime(tx), {
        tenant,
        ...(subject === undefined ? {} : { subject }),
        ...(subjectKey === undefined ? {} : { subjectKey }),
        detail: { what, reason },
      });
      await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
    });
    this.wakeRelay();
  }
}
