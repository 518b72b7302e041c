import { METRICS } from '@countersign/observability';
import { type Asker } from '../ports.js';
import { FairQueue } from './fair-queue.js';

/** Work that nobody waits for, of one hash at most, and what is left of it. */
export type Later = () => Promise<Later | undefined>;

/** Rehashes that may wait; more are dropped, because the next success of their caller asks for them again. */
const LATER_LIMIT = 64;

/**
 * At most `size` hashes at a time and at most `size + queueLimit` reserved places, so that memory stays bounded whatever
 * comes. What nobody waits for runs when nobody else wants to, and one at a time.
 */
export class HashPool {
  readonly #waiting = new FairQueue<() => void>();
  readonly #later: Later[] = [];
  #running = 0;
  #reserved = 0;
  #laterRuns = false;

  constructor(
    private readonly size: number,
    private readonly queueLimit: number,
  ) {}

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

  /** Askers take turns: the guesses of one caller hold each of the others up by one hash at most. */
  async run<T>(asker: Asker, task: () => Promise<T>): Promise<T> {
    const asked = performance.now();
    if (this.#running >= this.size) await new Promise<void>((resolve) => this.#waiting.push(asker, resolve));
    else this.#running += 1;
    const begun = performance.now();
    METRICS.hashWait.observe((begun - asked) / 1000);
    try {
      return await task();
    } finally {
      METRICS.hashTime.observe((performance.now() - begun) / 1000);
      this.#next();
    }
  }

  /**
   * Work that can wait for ever: begun when a hash has ended and none waits; what is left of it, likewise, before all
   * other such work. Its errors are its own affair.
   */
  later(task: Later): void {
    if (this.#later.length >= LATER_LIMIT) return;
    this.#later.push(task);
    if (this.#running < this.size) {
      this.#running += 1;
      this.#next();
    }
  }

  /** Hands the place of a hash that has ended to whoever is next. */
  #next(): void {
    const next = this.#waiting.shift();
    if (next) return next();
    const task = this.#laterRuns ? undefined : this.#later.shift();
    if (!task) {
      this.#running -= 1;
      return;
    }
    this.#laterRuns = true;
    void task()
      .then((rest) => rest && this.#later.unshift(rest))
      .catch(() => undefined)
      .finally(() => {
        this.#laterRuns = false;
        this.#next();
      });
  }
}
