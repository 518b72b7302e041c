import { type Clock } from '@countersign/runtime';

/** How long the setting counts as wrong after such a request, and the interval of log lines, in milliseconds. */
const SPAN_MS = 60_000;

/**
 * Notes refused requests that have no names under a key of this limiter, or not under every required key. Adapters compare
 * their keys with verification at the start. The limiter cannot, so these requests show that its IDENTIFIER_KEY differs.
 */
export class ForeignKeys {
  #last: number | undefined;
  #logged: number | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly log: () => void,
  ) {}

  note(): void {
    this.#last = this.clock.now();
    if (this.#logged !== undefined && this.#last - this.#logged < SPAN_MS) return;
    this.#logged = this.#last;
    this.log();
  }

  get isSeen(): boolean {
    return this.#last !== undefined && this.clock.now() - this.#last < SPAN_MS;
  }
}
