import { type Requester } from '@countersign/contracts';
import { FairQueue, SharedSlots } from '@countersign/fairness';

export interface ReadyQueuesOptions<T> {
  readonly maxInFlight: number;
  readonly requesterOf?: (item: T) => Requester;
  readonly isSlow?: (item: T) => boolean;
}

/** Items of one kind, slow or not: those that wait for their turn, and the places of those in flight. */
interface Kind<Q> {
  waiting: FairQueue<Q>;
  readonly places: SharedSlots;
}

/**
 * The queues whose first item may begin, in the order of their turns. What is handled on behalf of nobody has no tenant to
 * be fair to, and may take every place.
 */
export class ReadyQueues<T, Q> {
  readonly #options: ReadyQueuesOptions<T>;
  readonly #kinds: readonly [others: Kind<Q>, slow: Kind<Q>];

  constructor(options: ReadyQueuesOptions<T>) {
    this.#options = options;
    const kind = (): Kind<Q> => ({ waiting: new FairQueue(), places: new SharedSlots(options.maxInFlight) });
    this.#kinds = [kind(), kind()];
  }

  /** Items that are being handled. */
  get inFlight(): number {
    return this.#kinds.reduce((sum, { places }) => sum + places.taken, 0);
  }

  /** @param first the item of the queue that is next */
  push(queue: Q, first: T): void {
    this.#kindOf(first).waiting.push(this.#requesterOf(first), queue);
  }

  /** Takes a place for the queue whose turn it is. Undefined: none is ready, or no place is free for those that are. */
  begin(): Q | undefined {
    for (const { waiting, places } of this.#kinds) {
      let taken = '';
      const queue = waiting.shift({
        tenant: (tenant) => {
          taken = tenant;
          return tenant === '' ? places.taken < places.size : places.mayTake(tenant);
        },
      });
      if (queue === undefined) continue;
      places.take(taken);
      return queue;
    }
    return undefined;
  }

  /** Gives back the place of an item that was begun. */
  end(item: T): void {
    this.#kindOf(item).places.release(this.#requesterOf(item).tenant);
  }

  /** Takes out all queues that wait. */
  clear(): void {
    for (const kind of this.#kinds) kind.waiting = new FairQueue();
  }

  #kindOf(item: T): Kind<Q> {
    return this.#kinds[this.#options.isSlow?.(item) === true ? 1 : 0];
  }

  #requesterOf(item: T): Requester {
    return this.#options.requesterOf?.(item) ?? { tenant: '', agent: '', caller: '' };
  }
}
