import { FairQueue } from '@countersign/fairness';

interface Waiting {
  readonly begin: () => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Limits concurrent work to the number of pool connections, in fair order of tenants. The pool itself is first come,
 * first served, so a burst of one tenant would delay the statements of all others.
 */
export class ConnectionQueue {
  readonly #waiting = new FairQueue<Waiting>();
  #free: number;

  constructor(
    connections: number,
    private readonly timeoutMs: number,
  ) {
    this.#free = connections;
  }

  /** The number of callers that wait for a connection. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when a connection is free; the caller must then call `leave` once.
   * @param tenants the tenants with visible rows, in a form that is equal for equal sets
   * @throws Error after the timeout, like the pool
   */
  enter(tenants: string): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve();
    }
    const requester = { tenant: tenants, agent: '', caller: '' };
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        begin: resolve,
        timer: setTimeout(() => {
          this.#waiting.remove(requester, entry);
          reject(new Error('timeout exceeded when trying to connect'));
        }, this.timeoutMs),
      };
      this.#waiting.push(requester, entry);
    });
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#free++;
      return;
    }
    clearTimeout(next.timer);
    next.begin();
  }
}
