/** Beyond this silence of every consumer of the process the broker counts as unreachable, in milliseconds. */
const SILENCE_MS = 10_000;

/** What the last contacts with the cluster say about it. */
export class BrokerHealth {
  #succeededAt = 0;
  #failed = false;
  #consumers = 0;

  succeeded(): void {
    this.#succeededAt = Date.now();
    this.#failed = false;
  }

  failed(): void {
    this.#failed = true;
  }

  /** A consumer proves by its heartbeats that the cluster is there; without any, only failures are noticed. */
  consumerOpened(): void {
    this.#consumers++;
    this.succeeded();
  }

  consumerClosed(): void {
    this.#consumers--;
  }

  healthy(): boolean {
    return !this.#failed && (this.#consumers === 0 || Date.now() - this.#succeededAt < SILENCE_MS);
  }
}
