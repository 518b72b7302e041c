import { METRICS } from '@countersign/observability';
import { type Asker } from '../ports.js';
import { FairQueue } from './fair-queue.js';

/** Work that nobody waits for, of one hash at most, and what is left of it. */
export type Later = () => Promise<Later | undefined>;

/** Rehashes that may wait; more are dropped, because the next success of their caller asks for them again. */
const LATER_LIMIT = 64;

/** A hash that waits for its turn. */
interface Waiting {
  readonly begin: () => void;
  readonly further: boolean;
}

/**
 * At most `size` hashes at a time and at most `size + queueLimit` reserved places, so that memory stays bounded whatever
 * comes. Askers take turns, and hashes of those who have one under way already, the further ones, take a quarter of the
 * places at most: places are twice the processors, and one that a guesser cannot have stays for those who call once. What
 * nobody waits for runs when nobody else wants to, and one at a time.
 */
export class HashPool {
  readonly #waiting = new FairQueue<Waiting>();
  readonly #later: Later[] = [];
  /** Hashes of each asker that wait or run. */
  readonly #underWay = new Map<string, number>();
  readonly #furtherLimit: number;
  #running = 0;
  #furtherRunning = 0;
  #reserved = 0;
  #laterRuns = false;

  constructor(
    private readonly size: number,
    private readonly queueLimit: number,
  ) {
    this.#furtherLimit = Math.max(1, Math.floor(size / 4));
  }

  /** Places taken: guesses that wait or are being hashed. */
  get load(): number {
    return this.#reserved;
  }

  /** Guesses that wait while every place of the pool hashes. */
  get queued(): number {
    return this.#waiting.length;
  }

  /** Hashes that wait for their turn, those that nobody waits for included. */
  get waiting(): number {
    return this.#waiting.length + this.#later.length;
  }

  /** @returns what gives the place back; undefined when all are taken */
  reserve(): (() => void) | undefined {
    if (this.#reserved >= this.size + this.queueLimit) {
      METRICS.hashRefused.inc();
      return undefined;
    }
    this.#reserved += 1;
    let held = true;
    return () => {
      if (held) this.#reserved -= 1;
      held = false;
    };
  }

  /** The guesses of one caller hold each of the others up by one hash at most. */
  async run<T>(asker: Asker, task: () => Promise<T>): Promise<T> {
    const asked = performance.now();
    const further = this.#count(asker, 1) > 1;
    await new Promise<void>((begin) => {
      this.#waiting.push(asker, { begin, further });
      this.#beginNext();
    });
    const begun = performance.now();
    METRICS.hashWait.observe((begun - asked) / 1000);
    try {
      return await task();
    } finally {
      METRICS.hashTime.observe((performance.now() - begun) / 1000);
      this.#count(asker, -1);
      this.#running -= 1;
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
    const next = this.#waiting.shift(({ further }) => !further || this.#furtherRunning < this.#furtherLimit);
    if (next) {
      this.#running += 1;
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

  #count({ tenant, caller }: Asker, change: 1 | -1): number {
    const asker = `${tenant} ${caller}`;
    const count = (this.#underWay.get(asker) ?? 0) + change;
    if (count === 0) this.#underWay.delete(asker);
    else this.#underWay.set(asker, count);
    return count;
  }
}
