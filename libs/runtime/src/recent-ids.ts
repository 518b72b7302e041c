/**
 * Ids of the last while, in bounded memory: two generations, the older of which is dropped when the younger is full or old
 * enough. An id is known for at least `keepMs`, unless more than `most` came meanwhile.
 */
export class RecentIds {
  #young = new Set<string>();
  #old = new Set<string>();
  #turned = 0;

  /**
   * @param keepMs in milliseconds
   * @param most ids of each generation
   */
  constructor(
    private readonly keepMs: number,
    private readonly most: number,
  ) {}

  /** @param now milliseconds of a clock that does not go back */
  add(id: string, now: number): void {
    if (now - this.#turned > this.keepMs || this.#young.size >= this.most) {
      this.#old = this.#young;
      this.#young = new Set();
      this.#turned = now;
    }
    this.#young.add(id);
  }

  has(id: string): boolean {
    return this.#young.has(id) || this.#old.has(id);
  }

  delete(id: string): void {
    this.#young.delete(id);
    this.#old.delete(id);
  }
}
