import { type Requester } from '@countersign/contracts';
import { backoffMs } from './backoff.js';
import { ReadyQueues } from './ready-queues.js';

/** The waiting items of one key; the first one is the one in hand. */
interface KeyQueue<T> {
  readonly key: string;
  readonly items: T[];
  failures: number;
  state: 'ready' | 'running' | 'retrying';
  /** The item in hand was dropped while it ran: when it fails, it is not tried again. */
  abandoned: boolean;
  timer: NodeJS.Timeout | undefined;
}

export interface KeyQueuesOptions<T> {
  /** Items handled at once over all keys; slow ones and others are counted apart. */
  readonly maxInFlight: number;
  /** On whose behalf an item is handled: it decides whose turn it is. Default: nobody's. */
  readonly requesterOf?: (item: T) => Requester;
  /** Items that wait for scarce work, see `ConsumeOptions.isSlow`. Default: none. */
  readonly isSlow?: (item: T) => boolean;
  readonly handle: (item: T) => Promise<void>;
  /** Called once for each item that was handled. */
  readonly onFinished: (item: T) => void;
  /** The key of the queue in which an item belongs once it has failed; by default the one it is in. */
  readonly retryKeyOf?: (item: T) => string;
  /** Called for each item that went home, the failed one and those behind it that belong there too. */
  readonly onMoved?: (item: T) => void;
}

/**
 * Items of one key one after the other, items of different keys side by side. An item whose `handle` rejects is tried
 * again after a growing pause; while it pauses it takes no place in flight, and only its own key waits.
 */
export class KeyQueues<T> {
  readonly #options: KeyQueuesOptions<T>;
  readonly #queues = new Map<string, KeyQueue<T>>();
  /** Queues with something to do; what their first item is decides when it is their turn. */
  readonly #ready: ReadyQueues<T, KeyQueue<T>>;
  #stopped = false;
  #idle: (() => void)[] = [];

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
    const made: KeyQueue<T> = { key, items: [item], failures: 0, state: 'ready', abandoned: false, timer: undefined };
    this.#queues.set(key, made);
    this.#makeReady(made);
    this.#dispatch();
  }

  /** Forgets matching items that are not being handled right now; those that are run to their end and then count as usual. */
  drop(matches: (item: T) => boolean): void {
    for (const queue of this.#queues.values()) {
      const [head, ...rest] = queue.items;
      const kept = rest.filter((item) => !matches(item));
      const headMatches = head !== undefined && matches(head);
      if (head !== undefined && (queue.state === 'running' || !headMatches)) kept.unshift(head);
      queue.items.splice(0, queue.items.length, ...kept);
      if (!headMatches) continue;
      if (queue.state === 'running') {
        queue.abandoned = true;
        continue;
      }
      if (queue.state === 'retrying') clearTimeout(queue.timer);
      queue.failures = 0;
      queue.state = 'ready';
    }
    // Anew, because other items may be first now.
    this.#ready.clear();
    for (const queue of this.#queues.values()) {
      if (queue.items.length === 0) this.#queues.delete(queue.key);
      else if (queue.state === 'ready') this.#makeReady(queue);
    }
    this.#dispatch();
  }

  /** Begins nothing any more; what is in flight goes on. */
  stop(): void {
    this.#stopped = true;
    for (const queue of this.#queues.values()) clearTimeout(queue.timer);
  }

  /** Resolves when nothing is in flight, or after `limitMs`. Call `stop` first. */
  async idle(limitMs: number): Promise<void> {
    if (this.inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, limitMs);
      this.#idle.push(() => {
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
      this.#begin(item).then(
        () => this.#settle(queue, item, true),
        () => this.#settle(queue, item, false),
      );
    }
  }

  /** Handlers that throw before they return a promise would leave the item in flight for ever. */
  #begin(item: T): Promise<void> {
    try {
      return this.#options.handle(item);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error('handler threw no error'));
    }
  }

  #settle(queue: KeyQueue<T>, item: T, handled: boolean): void {
    this.#ready.end(item);
    if (handled || queue.abandoned) {
      queue.items.shift();
      queue.failures = 0;
      queue.abandoned = false;
      if (queue.items.length > 0) this.#makeReady(queue);
      else this.#queues.delete(queue.key);
      if (handled) this.#options.onFinished(item);
    } else {
      this.#retryLater(this.#atHome(queue, item));
    }
    this.#dispatch();
    if (this.inFlight === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #retryLater(queue: KeyQueue<T>): void {
    queue.failures++;
    queue.state = 'retrying';
    if (!this.#stopped) queue.timer = setTimeout(() => this.#retry(queue), backoffMs(queue.failures));
  }

  /** Moves a failed item, and what is behind it and belongs to the same home, to a queue of their own. */
  #atHome(queue: KeyQueue<T>, item: T): KeyQueue<T> {
    const { retryKeyOf: homeOf, onMoved: moved } = this.#options;
    const key = homeOf?.(item) ?? queue.key;
    if (homeOf === undefined || key === queue.key) return queue;
    const items = queue.items.filter((one) => homeOf(one) === key);
    const rest = queue.items.filter((one) => homeOf(one) !== key);
    queue.items.splice(0, queue.items.length, ...rest);
    queue.failures = 0;
    if (rest.length > 0) this.#makeReady(queue);
    else this.#queues.delete(queue.key);
    const home: KeyQueue<T> = { key, items, failures: 0, state: 'retrying', abandoned: false, timer: undefined };
    this.#queues.set(key, home);
    for (const one of items) moved?.(one);
    return home;
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
