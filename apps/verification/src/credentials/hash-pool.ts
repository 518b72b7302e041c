import { type Requester } from '@countersign/contracts';
import { METRICS } from '@countersign/observability';
import { FairQueue, SharedSlots } from '@countersign/fairness';

/** Work that nobody waits for, of one hash at most, and what is left of it. */
export type Later = () => Promise<Later | undefined>;

/** Rehashes that may wait; more are dropped, because the next success of their caller asks for them again. */
const LATER_LIMIT = 64;

/** A hash that waits for its turn. */
interface Waiting {
  readonly tenant: string;
  readonly begin: () => void;
  readonly further: boolean;
}

/**
 * At most `size` hashes at a time and at most `size + queueLimit` reserved hash slots, so that memory stays bounded. Tenants
 * share the slots, and take turns at hashing; within a tenant its agents do, and within an agent its callers. Hashes of
 * callers that have one under way already, the further ones, take a quarter of the places at most: places are twice the
 * processors, and one that a guesser cannot have stays for callers with a single attempt. Work that nobody waits for runs
 * when no hash waits, and one at a time.
 */
export class HashPool {
  readonly #waiting = new FairQueue<Waiting>();
  readonly #later: Later[] = [];
  readonly #slots: SharedSlots;
  /** Hashes of each caller that wait or run. */
  readonly #underWay = new Map<string, number>();
  readonly #furtherLimit: number;
  #running = 0;
  /** Hashes of each tenant that run. */
  readonly #runningOf = new Map<string, number>();
  #furtherRunning = 0;
  #laterRuns = false;

  constructor(
    private readonly size: number,
    queueLimit: number,
    /** Places that only tenants without a running hash may take, so that the hash of one waits for none to end. */
    private readonly reserved = 0,
  ) {
    this.#slots = new SharedSlots(size + queueLimit);
    this.#furtherLimit = Math.max(1, Math.floor(size / 4));
  }

  /** Reserved hash slots: attempts that wait or are being hashed. */
  get load(): number {
    return this.#slots.taken;
  }

  /** Hashes of a tenant that wait for their turn. */
  queuedOf(tenant: string): number {
    return this.#waiting.lengthOf(tenant);
  }

  /** Hashes that wait for their turn, those that nobody waits for included. */
  get waiting(): number {
    return this.#waiting.length + this.#later.length;
  }

  /** @returns what gives the hash slot back; undefined when the tenant has its share of them, or all are taken */
  reserve(tenant: string): (() => void) | undefined {
    if (!this.#slots.mayTake(tenant)) {
      METRICS.hashRefused.inc();
      return undefined;
    }
    this.#slots.take(tenant);
    let held = true;
    return () => {
      if (held) this.#slots.release(tenant);
      held = false;
    };
  }

  /** The hashes of one tenant delay another tenant by one hash for each place at most; likewise of agents and callers. */
  async run<T>(requester: Requester, task: () => Promise<T>): Promise<T> {
    const asked = performance.now();
    const further = this.#count(requester, 1) > 1;
    await new Promise<void>((begin) => {
      this.#waiting.push(requester, { tenant: requester.tenant, begin, further });
      this.#beginNext();
    });
    const begun = performance.now();
    METRICS.hashWait.observe((begun - asked) / 1000);
    try {
      return await task();
    } finally {
      METRICS.hashTime.observe((performance.now() - begun) / 1000);
      this.#count(requester, -1);
      this.#running -= 1;
      this.#countRunning(requester.tenant, -1);
      if (further) this.#furtherRunning -= 1;
      this.#beginNext();
    }
  }

  /**
   * Work that can wait for ever: begun when a hash has ended and none waits; what is left of it, likewise, before all
   * other such work. Its errors are its own affair.
   */
  later(task: Later): void {
    if (this.#later.length >= LATER_LIMIT) return;
    this.#later.push(task);
    this.#beginNext();
  }

  /** Gives a free place to whoever is next, if anybody may have it. One becomes free at a time. */
  #beginNext(): void {
    if (this.#running >= this.size) return;
    const isReserved = this.#running >= this.size - this.reserved;
    const next = this.#waiting.shift({
      tenant: (tenant) => !isReserved || !this.#runningOf.has(tenant),
      item: ({ further }) => !further || this.#furtherRunning < this.#furtherLimit,
    });
    if (next) {
      this.#running += 1;
      this.#countRunning(next.tenant, 1);
      if (next.further) this.#furtherRunning += 1;
      next.begin();
    } else if (this.#waiting.length === 0 && !this.#laterRuns) this.#beginLater();
  }

  #beginLater(): void {
    const task = this.#later.shift();
    if (!task) return;
    this.#running += 1;
    this.#laterRuns = true;
    void task()
      .then((rest) => rest && this.#later.unshift(rest))
      .catch(() => undefined)
      .finally(() => {
        this.#laterRuns = false;
        this.#running -= 1;
        this.#beginNext();
      });
  }

  #countRunning(tenant: string, change: 1 | -1): void {
    const count = (this.#runningOf.get(tenant) ?? 0) + change;
    if (count === 0) this.#runningOf.delete(tenant);
    else this.#runningOf.set(tenant, count);
  }

  #count({ tenant, agent, caller }: Requester, change: 1 | -1): number {
    const key = `${tenant} ${agent} ${caller}`;
    const count = (this.#underWay.get(key) ?? 0) + change;
    if (count === 0) this.#underWay.delete(key);
    else this.#underWay.set(key, count);
    return count;
  }
}
