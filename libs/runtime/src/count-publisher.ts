/**
 * Publishes counts, one publication after the other. After a failure the same messages are published again, under the same
 * ids, before newer ones: they may have arrived although no acknowledgement came.
 */
export class CountPublisher<T> {
  #pending: readonly T[] = [];
  #flushing: Promise<void> = Promise.resolve();

  /**
   * @param take returns the messages about everything that was counted since its last call
   * @param publish resolves when the messages are durable
   */
  constructor(
    private readonly take: () => readonly T[],
    private readonly publish: (messages: readonly T[]) => Promise<void>,
  ) {}

  /** @throws what `publish` throws; the messages are kept then */
  flush(): Promise<void> {
    this.#flushing = this.#flushing
      .catch(() => undefined)
      .then(() => this.#publishPending())
      .then(() => {
        this.#pending = this.take();
        return this.#publishPending();
      });
    return this.#flushing;
  }

  async #publishPending(): Promise<void> {
    if (this.#pending.length === 0) return;
    await this.publish(this.#pending);
    this.#pending = [];
  }
}
