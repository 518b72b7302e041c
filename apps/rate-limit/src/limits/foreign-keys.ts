import { type Clock } from '@countersign/runtime';

/** How long after the last such request the setting counts as wrong, and how often it is logged, in milliseconds. */
const SPAN_MS = 60_000;

/**
 * Notes requests that are named under no key of this limiter, or not under each that must be held. They are refused. Adapters
 * compare their keys with verification, the limiter cannot: so it finds here that its own differ.
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
