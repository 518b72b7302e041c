import { type Requester } from '@countersign/contracts';
import { FairQueue } from './fair-queue.js';

/**
 * Begins one piece of work in each turn of the event loop, by tenant, agent and caller in turn. So hundreds of requests that
 * arrive at one moment are not all parsed and sealed before the next request is even read.
 */
export class FairTurns {
  readonly #waiting = new FairQueue<() => void>();
  /** Something was begun in this turn. */
  #isTaken = false;

  /** Begins at once when nothing else was begun in this turn of the event loop. */
  begin(requester: Requester, work: () => void): void {
    if (this.#isTaken) this.#waiting.push(requester, work);
    else this.#take(work);
  }

  #take(work: () => void): void {
    this.#isTaken = true;
    setImmediate(() => this.#next());
    work();
  }

  #next(): void {
    const work = this.#waiting.shift();
    if (work === undefined) this.#isTaken = false;
    else this.#take(work);
  }
}
