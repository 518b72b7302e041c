const ACTIONS = ['pointerdown', 'keydown', 'wheel', 'click', 'input'];
/** A request that follows an action later than this, in milliseconds, was not caused by it: a hidden page sends none for long. */
const LATEST_MS = 60_000;

/**
 * Whether an operator acts. Each action makes one request count as use of the session. All others, such as those that refresh a
 * page, are marked as requests in the background, so a page that nobody uses does not keep its session.
 */
export class OperatorActivity {
  /** On the clock of `performance`. Opening the page is no action, because another site can open it. */
  #actedAt = -Infinity;

  /**
   * @param target that gets the events of the whole page
   * @param now milliseconds
   */
  constructor(
    target: EventTarget,
    private readonly now: () => number = () => performance.now(),
  ) {
    for (const name of ACTIONS)
      target.addEventListener(name, () => (this.#actedAt = this.now()), { capture: true, passive: true });
  }

  /** The headers of the next request. */
  headers(): Readonly<Record<string, string>> {
    const isUse = this.now() - this.#actedAt <= LATEST_MS;
    this.#actedAt = -Infinity;
    return isUse ? {} : { 'x-background-request': '1' };
  }
}
