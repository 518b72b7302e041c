import { FairQueue } from './fair-queue.js';
import { type Requester } from '@countersign/contracts';
import { SharedSlots } from './shared-slots.js';

export interface FairGateOptions {
  /** Most requests under way at a time; tenants share these slots, see {@link SharedSlots}. */
  readonly slots: number;
  /** Most requests that wait. */
  readonly maxWaiting: number;
  /** Creates the error of a request that waited too long. */
  readonly onTimeout: () => Error;
  /** Creates the error of a request that is evicted because too many wait. */
  readonly onEvicted: () => Error;
}

interface Waiting {
  readonly tenant: string;
  readonly timer: NodeJS.Timeout;
  readonly enter: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Bounds the number of requests under way, and admits waiting requests in turns by tenant, agent and caller. When too many
 * wait, it evicts the newest request of the tenant with the most, so a busy tenant cannot displace a quiet one.
 */
export class FairGate {
  readonly #options: FairGateOptions;
  readonly #slots: SharedSlots;
  readonly #waiting = new FairQueue<Waiting>();

  constructor(options: FairGateOptions) {
    this.#options = options;
    this.#slots = new SharedSlots(options.slots);
  }

  /** Requests under way. */
  get inside(): number {
    return this.#slots.taken;
  }

  /** Requests that wait for a slot. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when the request may start, with a function that the caller must call exactly once when the request has ended.
   * @param timeoutMs longest wait
   */
  enter(requester: Requester, timeoutMs: number): Promise<() => void> {
    const { tenant } = requester;
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        tenant,
        timer: setTimeout(() => {
          this.#waiting.remove(requester, entry);
          reject(this.#options.onTimeout());
        }, timeoutMs),
        enter: () => resolve(() => this.#leave(tenant)),
        reject,
      };
      this.#waiting.push(requester, entry);
      this.#admit();
      if (this.#waiting.length > this.#options.maxWaiting) this.#evict();
    });
  }

  #admit(): void {
    while (this.#waiting.length > 0) {
      const next = this.#waiting.shift({ tenant: (tenant) => this.#slots.mayTake(tenant) });
      if (next === undefined) return;
      clearTimeout(next.timer);
      this.#slots.take(next.tenant);
      next.enter();
    }
  }

  #leave(tenant: string): void {
    this.#slots.release(tenant);
    this.#admit();
  }

  #evict(): void {
    const entry = this.#waiting.pop();
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.reject(this.#options.onEvicted());
  }
}
