import { FairQueue } from './fair-queue.js';
import { type Requester } from '@countersign/contracts';
import { SharedSlots } from './shared-slots.js';

export interface FairGateOptions {
  /** Requests that are inside at a time; tenants share them as {@link SharedSlots} says. */
  readonly slots: number;
  /** Requests that wait outside, at most. */
  readonly maxWaiting: number;
  /** Made for a request that waited too long. */
  readonly onTimeout: () => Error;
  /** Made for a request that gave way because too many wait. */
  readonly onEvicted: () => Error;
}

interface Waiting {
  readonly tenant: string;
  readonly timer: NodeJS.Timeout;
  readonly enter: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Bounds how many requests are under way, and lets those that wait in by tenant, agent and caller in turn. When too many
 * wait, the newest one of the tenant with the most gives way, not the newcomer of a quiet tenant.
 */
export class FairGate {
  readonly #options: FairGateOptions;
  readonly #places: SharedSlots;
  readonly #waiting = new FairQueue<Waiting>();

  constructor(options: FairGateOptions) {
    this.#options = options;
    this.#places = new SharedSlots(options.slots);
  }

  /** Requests that are inside. */
  get inside(): number {
    return this.#places.taken;
  }

  /** Requests that wait outside. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when the request may begin. The caller must call what it resolves to, once, when the request has ended.
   * @param timeoutMs how long to wait at most
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
      if (this.#waiting.length > this.#options.maxWaiting) this.#giveWay();
    });
  }

  #admit(): void {
    while (this.#waiting.length > 0) {
      const next = this.#waiting.shift({ tenant: (tenant) => this.#places.mayTake(tenant) });
      if (next === undefined) return;
      clearTimeout(next.timer);
      this.#places.take(next.tenant);
      next.enter();
    }
  }

  #leave(tenant: string): void {
    this.#places.release(tenant);
    this.#admit();
  }

  #giveWay(): void {
    const entry = this.#waiting.pop();
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.reject(this.#options.onEvicted());
  }
}
