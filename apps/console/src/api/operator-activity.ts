const ACTIONS = ['pointerdown', 'keydown', 'wheel'];

/**
 * Whether an operator acts. Each action makes one request count as use of the session. All others, such as those that refresh a
 * page, are marked as requests in the background, so a page that nobody uses does not keep its session.
 */
export class OperatorActivity {
  /** Opening the page is an action. */
  #hasActed = true;

  /** @param target that gets the events of the whole page */
  constructor(target: EventTarget) {
    for (const name of ACTIONS)
      target.addEventListener(name, () => (this.#hasActed = true), { capture: true, passive: true });
  }

  /** The headers of the next request. */
  headers(): Readonly<Record<string, string>> {
    const isUse = this.#hasActed;
    this.#hasActed = false;
    return isUse ? {} : { 'x-background-request': '1' };
  }
}
