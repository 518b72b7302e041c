import { type Requester } from '@countersign/contracts';
import { FairQueue } from './fair-queue.js';

/**
 * Starts one task per turn of the event loop, taking turns by tenant, agent and caller. Otherwise hundreds of requests that
 * arrive together would all be parsed and encrypted before Node reads the next request from its socket.
 */
export class FairTurns {
  readonly #waiting = new FairQueue<() => void>();
  /** A task was started in this turn. */
  #isTaken = false;

  /** Starts the task at once unless another one was started in this turn of the event loop. */
  begin(requester: Requester, task: () => void): void {
    if (this.#isTaken) this.#waiting.push(requester, task);
    else this.#start(task);
  }

  #start(task: () => void): void {
    this.#isTaken = true;
    setImmediate(() => this.#startNext());
    task();
  }

  #startNext(): void {
    const task = this.#waiting.shift();
    if (task === undefined) this.#isTaken = false;
    else this.#start(task);
  }
}
