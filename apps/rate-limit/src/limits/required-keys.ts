import { type Clock } from '@countersign/runtime';

/**
 * Longest use of the list of required keys, in milliseconds. Shorter than the 5 s after which `countersign keys rekey` takes
 * for granted that every replica counts under a new key.
 */
const MAX_AGE_MS = 4_000;
/** How long the setting counts as wrong after a request without our keys, and the interval of log lines, in milliseconds. */
const FOREIGN_KEY_SPAN_MS = 60_000;

/**
 * The keys of IDENTIFIER_KEY under which every request must be counted. A replica that cannot read them must not decide: it
 * might count under the old key only, and the new counter would start at zero when the old key is removed.
 */
export class RequiredKeys {
  #read: { readonly ids: readonly string[]; readonly at: number } | undefined;

  constructor(
    private readonly read: () => Promise<readonly string[]>,
    private readonly clock: Clock,
  ) {}

  /** Reads the list. @returns it @throws ServiceError DATABASE_UNAVAILABLE */
  async refresh(): Promise<readonly string[]> {
    const at = this.clock.now();
    const ids = await this.read();
    // A slow read may end after a later one.
    if (this.#read === undefined || this.#read.at <= at) this.#read = { ids, at };
    return ids;
  }

  /** Ids of the required keys. Undefined: the last successful read began too long ago. */
  ids(): readonly string[] | undefined {
    return this.#read !== undefined && this.clock.now() - this.#read.at < MAX_AGE_MS ? this.#read.ids : undefined;
  }
}

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
    if (this.#logged !== undefined && this.#last - this.#logged < FOREIGN_KEY_SPAN_MS) return;
    this.#logged = this.#last;
    this.log();
  }

  get isSeen(): boolean {
    return this.#last !== undefined && this.clock.now() - this.#last < FOREIGN_KEY_SPAN_MS;
  }
}
