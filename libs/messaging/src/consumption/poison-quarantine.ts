import { type PoisonHandling, type ConsumedRecord } from '../broker.js';
import { type RecordPlace } from './deliveries.js';

/**
 * A record with this count has ended the process three times: the first death is not counted, because it came before
 * the quarantine.
 */
const POISON_COUNT = 3;

/**
 * Handles the records of a quarantine: one at a time in the whole process, so a crash is attributed to the right
 * record. Each is counted before it is begun. A record that has ended the process three times is not handled again.
 */
export class QuarantineHandler {
  /** Counts that could not be reduced after a failed attempt, by record. */
  readonly #uncleared = new Map<string, number>();

  constructor(
    private readonly group: string,
    private readonly poisonHandling: PoisonHandling,
    private readonly handle: (record: ConsumedRecord) => Promise<void>,
    private readonly mutex: Mutex,
  ) {}

  /** @param isStillAssigned false when the record moved to another member while it waited */
  run(record: ConsumedRecord, isStillAssigned: () => boolean): Promise<void> {
    return this.mutex.run(async () => {
      if (!isStillAssigned()) throw new Error('the partition moved to another member, or the consumer is closing');
      const { topic, partition, offset } = record;
      const place: RecordPlace = { topic, partition, offset: Number(offset) };
      const id = `${topic}/${partition}/${offset}`;
      const { deliveries, onPoison } = this.poisonHandling;
      const count = this.#uncleared.get(id) ?? (await deliveries.begin(this.group, place));
      this.#uncleared.set(id, count);
      try {
        await (count >= POISON_COUNT ? onPoison(record) : this.handle(record));
      } catch (error) {
        await deliveries.end(this.group, place, false).then(
          () => this.#uncleared.delete(id),
          () => undefined,
        );
        throw error;
      }
      this.#uncleared.delete(id);
      // A count that cannot be deleted now is deleted at the next opening of the partition: its offset is committed by
      // then.
      await deliveries.end(this.group, place, true).catch(() => undefined);
    });
  }
}

/** Runs one task at a time, in the order of the calls. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result;
    return result;
  }
}
