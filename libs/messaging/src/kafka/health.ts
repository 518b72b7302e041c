/** When no consumer had contact for longer than this, in milliseconds, the broker counts as unreachable. */
const SILENCE_MS = 10_000;

/** Whether the cluster is reachable, by the last contacts with it. */
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

  /** A consumer proves by its heartbeats that the cluster is reachable. Without consumers only failures are noticed. */
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
