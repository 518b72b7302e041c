import { Batched } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { type LogSequencer } from '../log/log.ports.js';
import { appendWaitMs } from './gather.decision.js';
import { isOwnKind } from './own-facts.js';
import { AuditTrail, type TrailEntry } from './trail.ports.js';

/** Most facts of one batch. */
const MAX_BATCH_SIZE = 1_024;
/** A batch of this size does not wait for more. */
const FULL_SIZE = 128;
/** How long a fact of this service waits, in milliseconds: a client that reads events waits until that is recorded. */
const OWN_LINGER_MS = 20;

/** What else a copy of the service does with the batches. */
export interface TrailHooks {
  /** Called after each batch that added entries to the log. */
  readonly onAppended: () => void;
  /** Called with an error that ends the service. */
  readonly onFatal: (error: Error) => void;
}

/** The trail in PostgreSQL. Adds facts to the log in batches, one transaction at a time. */
export class PostgresAuditTrail extends AuditTrail {
  readonly #append: Batched<TrailEntry, undefined>;

  constructor(
    private readonly sequencer: LogSequencer,
    private readonly hooks: Partial<TrailHooks> = {},
  ) {
    super();
    this.#append = new Batched({
      ...{ size: MAX_BATCH_SIZE, fullSize: FULL_SIZE, concurrency: 1 },
      rows: ({ eventId }) => [eventId],
      run: (entries) => this.#add(entries),
      expectsMore: () => true,
      lingerMs: ({ kind, time }) => (isOwnKind(kind) ? OWN_LINGER_MS : appendWaitMs(time, Date.now())),
    });
  }

  override append(entry: TrailEntry): Promise<void> {
    return this.#append.call(entry);
  }

  async #add(entries: readonly TrailEntry[]): Promise<undefined[]> {
    await this.sequencer.sequence(MAX_BATCH_SIZE, entries).catch((error: unknown) => {
      if (!(error instanceof ServiceError) || error.code !== 'SETTINGS_INVALID') throw error;
      this.hooks.onFatal?.(error);
      // A fact is no dead letter because a setting is wrong.
      throw new ServiceError('DATABASE_UNAVAILABLE', error.message, true);
    });
    this.hooks.onAppended?.();
    return entries.map(() => undefined);
  }
}
