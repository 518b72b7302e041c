import { type Requester } from '@countersign/contracts';
import { FairQueue, SharedSlots } from '@countersign/fairness';

export interface ReadyQueuesOptions<T> {
  readonly maxInFlight: number;
  readonly requesterOf?: (item: T) => Requester;
  readonly isSlow?: (item: T) => boolean;
}

/** Items of one kind, slow or not: queues that wait for a slot, and the slots. */
interface SlotPool<Q> {
  waiting: FairQueue<Q>;
  readonly slots: SharedSlots;
}

/**
 * The queues with an item that may begin, in fair order. Items without a requester have no tenant to be fair to and may
 * take every slot.
 */
export class ReadyQueues<T, Q> {
  readonly #options: ReadyQueuesOptions<T>;
  readonly #pools: readonly [others: SlotPool<Q>, slow: SlotPool<Q>];

  constructor(options: ReadyQueuesOptions<T>) {
    this.#options = options;
    const pool = (): SlotPool<Q> => ({ waiting: new FairQueue(), slots: new SharedSlots(options.maxInFlight) });
    this.#pools = [pool(), pool()];
  }

  /** Items that are being handled. */
  get inFlight(): number {
    return this.#pools.reduce((sum, { slots }) => sum + slots.taken, 0);
  }

  /** @param first the item of the queue that is next */
  push(queue: Q, first: T): void {
    this.#poolOf(first).waiting.push(this.#requesterOf(first), queue);
  }

  /**
   * Takes a slot for the next queue in fair order. Undefined when no queue is ready, or no slot is free for those that
   * are.
   */
  begin(): Q | undefined {
    for (const { waiting, slots } of this.#pools) {
      let takenBy = '';
      const queue = waiting.shift({
        tenant: (tenant) => {
          takenBy = tenant;
          return tenant === '' ? slots.taken < slots.size : slots.mayTake(tenant);
        },
      });
      if (queue === undefined) continue;
      slots.take(takenBy);
      return queue;
    }
    return undefined;
  }

  /** Releases the slot of an item that was begun. */
  end(item: T): void {
    this.#poolOf(item).slots.release(this.#requesterOf(item).tenant);
  }

  /** Removes all waiting queues. */
  clear(): void {
    for (const pool of this.#pools) pool.waiting = new FairQueue();
  }

  #poolOf(item: T): SlotPool<Q> {
    return this.#pools[this.#options.isSlow?.(item) === true ? 1 : 0];
  }

  #requesterOf(item: T): Requester {
    return this.#options.requesterOf?.(item) ?? { tenant: '', agent: '', caller: '' };
  }
}
