import { type Logger } from '@countersign/observability';
import { type Clock } from '@countersign/runtime';
import { type PostgresSubjectStore, type SubjectPosition } from '../subject.store.js';

/** The maximum number of subjects per run, so a run is short and leaves connections to requests. */
const BATCH = 500;

/**
 * Gives new keys to subjects without one, as after the restore of a backup without `subject_keys`. Until then no attempt at them
 * is a success. Not done by the attempts themselves: an additional write would reveal which references have a subject.
 */
export class MissingKeys {
  #after: SubjectPosition | undefined;
  #replaced = 0;
  #nextPassAt = -Infinity;

  /**
   * @param intervalMs from the end of a pass over all subjects to the begin of the next one
   * @param clock must not run backwards
   */
  constructor(
    private readonly subjects: Pick<PostgresSubjectStore, 'replaceMissingKeys'>,
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly clock: Clock,
    private readonly intervalMs: number,
  ) {}

  /**
   * Handles the next batch, unless the last pass ended less than an interval ago. Call it every few seconds.
   * @throws ServiceError DATABASE_UNAVAILABLE; the next run continues
   */
  async run(): Promise<void> {
    if (this.clock.now() < this.#nextPassAt) return;
    const { replaced, next } = await this.subjects.replaceMissingKeys(this.#after, BATCH);
    this.#replaced += replaced;
    this.#after = next;
    if (next !== undefined) return;
    this.#nextPassAt = this.clock.now() + this.intervalMs;
    if (this.#replaced > 0)
      this.logger.warn(
        { subjects: this.#replaced },
        'subjects had no key and got new ones; their names are lost, and their earlier verifications have ended',
      );
    this.#replaced = 0;
  }
}
