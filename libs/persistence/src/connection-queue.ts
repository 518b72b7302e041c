import { FairQueue } from '@countersign/fairness';

interface Waiting {
  readonly begin: () => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Lets as many pieces of work at a time to the connections of a pool as it has. The pool itself serves whoever came first;
 * here tenants take turns, so that a burst of one tenant does not stand in front of everybody else's statement.
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

  /** Pieces of work that wait for a connection. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when a connection is free for the work; then `leave` must be called once.
   * @param tenants names whose rows the work sees, in any form that is the same for the same tenants
   * @throws Error after the time-out, as the pool does
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
