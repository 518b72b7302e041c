/** What a {@link WokenLoop} does, and when. */
export interface WokenLoopOptions {
  /** Does everything that waits. Returns false when it failed; it then runs again after a growing pause. */
  readonly work: () => Promise<boolean>;
  /** How long a wake waits so that later ones share its run, in milliseconds. */
  readonly lingerMs: number;
  /** How often to run without a wake, in milliseconds. */
  readonly pollMs: number;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/** Runs work when it is woken, and at a slow interval as a safety net; never twice at once. */
export class WokenLoop {
  readonly #options: WokenLoopOptions;
  #loop: Promise<void> | undefined;
  #isWoken = false;
  #isHurried = false;
  #isClosing = false;
  #interrupt: (() => void) | undefined;

  constructor(options: WokenLoopOptions) {
    this.#options = options;
  }

  /** Starts with a run. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Many calls share a run. */
  wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    this.#interrupt?.();
  }

  /** As {@link wake}, without the wait for others. */
  hurry(): void {
    this.#isWoken = true;
    this.#isHurried = true;
    this.#interrupt?.();
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Finishes the current run, and runs once more. */
  async close(): Promise<void> {
    if (this.#isClosing || this.#loop === undefined) return this.#loop;
    this.#isClosing = true;
    this.#interrupt?.();
    await this.#loop;
  }

  /** A pause inside of `work` that `close` ends at once. */
  rest(ms: number): Promise<void> {
    return this.#pause(ms, () => false);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isClosing) {
      this.#isWoken = false;
      this.#isHurried = false;
      if (await this.#options.work()) {
        failures = 0;
        await this.#pause(this.#options.pollMs, () => this.#isWoken);
        if (this.#isWoken) await this.#pause(this.#options.lingerMs, () => this.#isHurried);
      } else {
        // Random between half and all of it, so that copies which failed together do not retry together.
        const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
        await this.rest(pause * (0.5 + Math.random() / 2));
      }
    }
    await this.#options.work();
  }

  /** @param isOver ends the pause early; read at each wake */
  async #pause(ms: number, isOver: () => boolean): Promise<void> {
    if (this.#isClosing || isOver()) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#interrupt = () => {
        if (!isOver() && !this.#isClosing) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#interrupt = undefined;
  }
}
