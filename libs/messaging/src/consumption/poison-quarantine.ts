import { type PoisonHandling, type ConsumedRecord } from '../broker.js';
import { type RecordPlace } from './deliveries.js';
import { type Mutex } from './mutex.js';

/** Begun this often, once uncounted before, a record has ended the process three times. */
const POISON_COUNT = 3;

/**
 * Handles suspicious records: one at a time in the whole process, so that a death is put down to the right one, each
 * counted before it is begun. A record that has ended the process three times is not handled any more.
 */
export class QuarantineHandler {
  /** Counted here and not ended: the count of a try that failed could not be taken back. */
  readonly #counted = new Map<string, number>();

  constructor(
    private readonly group: string,
    private readonly care: PoisonHandling,
    private readonly handle: (record: ConsumedRecord) => Promise<void>,
    private readonly turns: Mutex,
  ) {}

  /** @param wanted false: the record has moved to another member while it waited for its turn */
  run(record: ConsumedRecord, wanted: () => boolean): Promise<void> {
    return this.turns.run(async () => {
      if (!wanted()) throw new Error('the partition has gone or the consumer closes');
      const { topic, partition, offset } = record;
      const place: RecordPlace = { topic, partition, offset: Number(offset) };
      const id = `${topic}/${partition}/${offset}`;
      const { deliveries, onPoison: poisoned } = this.care;
      const count = this.#counted.get(id) ?? (await deliveries.begin(this.group, place));
      this.#counted.set(id, count);
      try {
        await (count >= POISON_COUNT ? poisoned(record) : this.handle(record));
      } catch (error) {
        await deliveries.end(this.group, place, false).then(
          () => this.#counted.delete(id),
          () => undefined,
        );
        throw error;
      }
      this.#counted.delete(id);
      // What stays is forgotten when the partition is opened next: its offset is committed by then.
      await deliveries.end(this.group, place, true).catch(() => undefined);
    });
  }
}
