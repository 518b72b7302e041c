import { type Requester } from '@countersign/contracts';
import { backoffMs } from './backoff.js';
import { ReadyQueues } from './ready-queues.js';

/** The items of one key; the first one is the current one. */
interface KeyQueue<T> {
  readonly key: string;
  readonly items: T[];
  failures: number;
  state: 'ready' | 'running' | 'retrying';
  /** The current item was dropped while it was handled: it is not retried when it fails. */
  isDropped: boolean;
  timer: NodeJS.Timeout | undefined;
}

export interface KeyQueuesOptions<T> {
  /**
   * The maximum number of items handled at once over all keys. Slow items have a limit of their own of the same size.
   */
  readonly maxInFlight: number;
  /** The requester that an item is handled for, for fairness between tenants. Default: none. */
  readonly requesterOf?: (item: T) => Requester;
  /** Items that wait for a scarce resource, see `ConsumeOptions.isSlow`. Default: none. */
  readonly isSlow?: (item: T) => boolean;
  readonly handle: (item: T) => Promise<void>;
  /** Called once for each item that was handled. */
  readonly onFinished: (item: T) => void;
  /** The key of the queue in which a failed item is retried. Default: the queue it is in. */
  readonly retryKeyOf?: (item: T) => string;
  /**
   * Called for each item that moved to its retry queue: the failed one, and later ones that belong to the same queue.
   */
  readonly onMoved?: (item: T) => void;
}

/**
 * Handles items of one key in order, and items of different keys in parallel. An item that fails is retried after a
 * growing pause. While it waits it takes no slot, and only its own key waits.
 */
export class KeyQueues<T> {
  readonly #options: KeyQueuesOptions<T>;
  readonly #queues = new Map<string, KeyQueue<T>>();
  /** Queues with a startable item, ordered by fairness. */
  readonly #ready: ReadyQueues<T, KeyQueue<T>>;
  #stopped = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: KeyQueuesOptions<T>) {
    this.#options = options;
    this.#ready = new ReadyQueues(options);
  }

  get inFlight(): number {
    return this.#ready.inFlight;
  }

  /** Counts the items that are not being handled. */
  get stats(): { readonly waiting: number; readonly retrying: number } {
    let items = 0;
    let retrying = 0;
    for (const queue of this.#queues.values()) {
      items += queue.items.length;
      if (queue.state === 'retrying') retrying++;
    }
    return { waiting: items - this.inFlight - retrying, retrying };
  }

  has(key: string): boolean {
    return this.#queues.has(key);
  }

  push(key: string, item: T): void {
    const queue = this.#queues.get(key);
    if (queue !== undefined) {
      queue.items.push(item);
      return;
    }
    const created: KeyQueue<T> = {
      key,
      items: [item],
      failures: 0,
      state: 'ready',
      isDropped: false,
      timer: undefined,
    };
    this.#queues.set(key, created);
    this.#makeReady(created);
    this.#dispatch();
  }

  /**
   * Drops matching items that are not being handled. Matching items that are being handled finish and count as usual.
   */
  drop(matches: (item: T) => boolean): void {
    for (const queue of this.#queues.values()) {
      const [head, ...rest] = queue.items;
      const kept = rest.filter((item) => !matches(item));
      const headMatches = head !== undefined && matches(head);
      if (head !== undefined && (queue.state === 'running' || !headMatches)) kept.unshift(head);
      queue.items.splice(0, queue.items.length, ...kept);
      if (!headMatches) continue;
      if (queue.state === 'running') {
        queue.isDropped = true;
        continue;
      }
      if (queue.state === 'retrying') clearTimeout(queue.timer);
      queue.failures = 0;
      queue.state = 'ready';
    }
    // Rebuilt, because other items may be first now.
    this.#ready.clear();
    for (const queue of this.#queues.values()) {
      if (queue.items.length === 0) this.#queues.delete(queue.key);
      else if (queue.state === 'ready') this.#makeReady(queue);
    }
    this.#dispatch();
  }

  /** Begins no further item; items in flight continue. */
  stop(): void {
    this.#stopped = true;
    for (const queue of this.#queues.values()) clearTimeout(queue.timer);
  }

  /** Resolves when nothing is in flight, or after `limitMs`. Call `stop` first. */
  async idle(limitMs: number): Promise<void> {
    if (this.inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, limitMs);
      this.#idleWaiters.push(() => {
        clearTimeout(limit);
        resolve();
      });
    });
  }

  #dispatch(): void {
    while (!this.#stopped) {
      const queue = this.#ready.begin();
      const item = queue?.items[0];
      if (queue === undefined || item === undefined) return;
      queue.state = 'running';
      this.#handle(item).then(
        () => this.#finish(queue, item, true),
        () => this.#finish(queue, item, false),
      );
    }
  }

  /** Converts a synchronous throw to a rejection, because the item would stay in flight forever. */
  #handle(item: T): Promise<void> {
    try {
      return this.#options.handle(item);
    } catch (error) {
      return Promise.reject(
        error instanceof Error ? error : new Error('the handler threw a value that is not an Error'),
      );
    }
  }

  #finish(queue: KeyQueue<T>, item: T, handled: boolean): void {
    this.#ready.end(item);
    if (handled || queue.isDropped) {
      queue.items.shift();
      queue.failures = 0;
      queue.isDropped = false;
      if (queue.items.length > 0) this.#makeReady(queue);
      else this.#queues.delete(queue.key);
      if (handled) this.#options.onFinished(item);
    } else {
      this.#retryLater(this.#moveToRetryQueue(queue, item));
    }
    this.#dispatch();
    if (this.inFlight === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #retryLater(queue: KeyQueue<T>): void {
    queue.failures++;
    queue.state = 'retrying';
    if (!this.#stopped) queue.timer = setTimeout(() => this.#retry(queue), backoffMs(queue.failures));
  }

  /** Moves a failed item, and later items with the same retry key, to a queue of their own. */
  #moveToRetryQueue(queue: KeyQueue<T>, item: T): KeyQueue<T> {
    const { retryKeyOf, onMoved } = this.#options;
    const key = retryKeyOf?.(item) ?? queue.key;
    if (retryKeyOf === undefined || key === queue.key) return queue;
    const items = queue.items.filter((other) => retryKeyOf(other) === key);
    const rest = queue.items.filter((other) => retryKeyOf(other) !== key);
    queue.items.splice(0, queue.items.length, ...rest);
    queue.failures = 0;
    if (rest.length > 0) this.#makeReady(queue);
    else this.#queues.delete(queue.key);
    const retryQueue: KeyQueue<T> = { key, items, failures: 0, state: 'retrying', isDropped: false, timer: undefined };
    this.#queues.set(key, retryQueue);
    for (const moved of items) onMoved?.(moved);
    return retryQueue;
  }

  #retry(queue: KeyQueue<T>): void {
    this.#makeReady(queue);
    this.#dispatch();
  }

  #makeReady(queue: KeyQueue<T>): void {
    queue.state = 'ready';
    const [first] = queue.items;
    if (first !== undefined) this.#ready.push(queue, first);
  }
}
