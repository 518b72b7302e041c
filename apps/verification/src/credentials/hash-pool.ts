import { type Requester } from '@countersign/contracts';
import { METRICS } from '@countersign/observability';
import { FairQueue, SharedSlots } from '@countersign/fairness';

/** Background work of at most one hash. Returns the rest of the work, if any. */
export type BackgroundHash = () => Promise<BackgroundHash | undefined>;

/** The maximum number of waiting rehashes. More are dropped, because the next success of their caller requests them again. */
const BACKGROUND_LIMIT = 64;

/** A waiting hash. */
interface Waiting {
  readonly tenant: string;
  readonly begin: () => void;
  /** The caller had another hash that waited or ran. */
  readonly isFurther: boolean;
}

/**
 * Runs at most `size` hashes at a time and hands out at most `size + queueLimit` hash slots, so memory stays bounded. Tenants
 * share the slots and take turns at hashing; within a tenant its agents do, and within an agent its callers.
 *
 * Further hashes of a caller, while it has another one, run in at most a quarter of the places. So somebody who guesses cannot
 * occupy all of them, and a caller with a single attempt finds one. Background work runs while no hash waits, one at a time.
 */
export class HashPool {
  readonly #waiting = new FairQueue<Waiting>();
  readonly #background: BackgroundHash[] = [];
  readonly #slots: SharedSlots;
  /** The number of waiting and running hashes of each caller. */
  readonly #inFlight = new Map<string, number>();
  readonly #furtherLimit: number;
  #running = 0;
  /** The number of running hashes of each tenant. */
  readonly #runningOf = new Map<string, number>();
  #furtherRunning = 0;
  #backgroundRunning = 0;
  /** Imported secrets that wait for their hash. */
  readonly #imports: (() => void)[] = [];

  constructor(
    private readonly size: number,
    queueLimit: number,
    /** Places for tenants without a running hash only, so their first hash starts at once. */
    private readonly reserved = 0,
  ) {
    this.#slots = new SharedSlots(size + queueLimit);
    this.#furtherLimit = Math.max(1, Math.floor(size / 4));
  }

  /** Reserved hash slots: attempts that wait or are being hashed. */
  get load(): number {
    return this.#slots.taken;
  }

  /** Waiting hashes of a tenant. */
  queuedOf(tenant: string): number {
    return this.#waiting.lengthOf(tenant);
  }

  /** Waiting hashes, including background work. */
  get waiting(): number {
    return this.#waiting.length + this.#background.length + this.#imports.length;
  }

  /** @returns a function that releases the slot; undefined if the tenant has its share of slots, or all are taken */
  reserve(tenant: string): (() => void) | undefined {
    if (!this.#slots.mayTake(tenant)) {
      METRICS.hashRefused.inc();
      return undefined;
    }
    this.#slots.take(tenant);
    let isHeld = true;
    return () => {
      if (isHeld) this.#slots.release(tenant);
      isHeld = false;
    };
  }

  /** A tenant delays another one by at most one hash per place. The same holds for agents of a tenant and callers of an agent. */
  async run<T>(requester: Requester, task: () => Promise<T>): Promise<T> {
    const requestedAt = performance.now();
    const isFurther = this.#count(requester, 1) > 1;
    await new Promise<void>((begin) => {
      this.#waiting.push(requester, { tenant: requester.tenant, begin, isFurther });
      this.#beginNext();
    });
    const begunAt = performance.now();
    METRICS.hashWait.observe((begunAt - requestedAt) / 1000);
    try {
      return await task();
    } finally {
      METRICS.hashTime.observe((performance.now() - begunAt) / 1000);
      this.#count(requester, -1);
      this.#running -= 1;
      this.#countRunning(requester.tenant, -1);
      if (isFurther) this.#furtherRunning -= 1;
      this.#beginNext();
    }
  }

  /**
   * Starts the work when no hash waits, and its rest likewise, before other background work. Its errors are ignored. Dropped if
   * too much waits.
   */
  runInBackground(task: BackgroundHash): void {
    if (this.#background.length >= BACKGROUND_LIMIT) return;
    this.#background.push(task);
    this.#beginNext();
  }

  /**
   * Runs a hash of an import while no other hash waits, after other background work. It takes no slot, so the caller bounds how
   * many wait.
   */
  async runImport<T>(task: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#imports.push(() => this.#runBackground(() => task().then(resolve, reject)));
      this.#beginNext();
    });
  }

  /** Starts the next hash, if a place is free that it may have. Places become free one at a time. */
  #beginNext(): void {
    if (this.#running >= this.size) return;
    const isReserved = this.#running >= this.size - this.reserved;
    const next = this.#waiting.shift({
      tenant: (tenant) => !isReserved || !this.#runningOf.has(tenant),
      item: ({ isFurther }) => !isFurther || this.#furtherRunning < this.#furtherLimit,
    });
    if (next) {
      this.#running += 1;
      this.#countRunning(next.tenant, 1);
      if (next.isFurther) this.#furtherRunning += 1;
      next.begin();
    } else if (this.#waiting.length === 0 && this.#mayBeginBackground()) this.#beginBackground();
  }

  /** One at a time beside other hashes. Alone it may have half of the places, which keeps every thread busy. */
  #mayBeginBackground(): boolean {
    if (this.#backgroundRunning === 0) return true;
    return this.#running === this.#backgroundRunning && this.#running < Math.floor(this.size / 2);
  }

  #beginBackground(): void {
    const task = this.#background.shift();
    if (task) this.#runBackground(() => task().then((rest) => rest && this.#background.unshift(rest)));
    else this.#imports.shift()?.();
  }

  #runBackground(task: () => Promise<unknown>): void {
    this.#running += 1;
    this.#backgroundRunning += 1;
    void task()
      .catch(() => undefined)
      .finally(() => {
        this.#backgroundRunning -= 1;
        this.#running -= 1;
        this.#beginNext();
      });
    this.#beginNext();
  }

  #countRunning(tenant: string, change: 1 | -1): void {
    const count = (this.#runningOf.get(tenant) ?? 0) + change;
    if (count === 0) this.#runningOf.delete(tenant);
    else this.#runningOf.set(tenant, count);
  }

  #count({ tenant, agent, caller }: Requester, change: 1 | -1): number {
    const key = `${tenant} ${agent} ${caller}`;
    const count = (this.#inFlight.get(key) ?? 0) + change;
    if (count === 0) this.#inFlight.delete(key);
    else this.#inFlight.set(key, count);
    return count;
  }
}
