/** Finished offsets are trimmed from the array when there are more than this, and they are at least half of it. */
const TRIM_AFTER = 1024;

/**
 * Tracks which offsets of a partition are finished, and up to which offset all are. Offsets are JavaScript numbers:
 * 2^53 records would take 285 years at a million per second.
 */
export class OffsetTracker {
  /** Begun offsets in rising order; those before `#head` are finished. */
  #open: number[] = [];
  #head = 0;
  readonly #finished = new Set<number>();
  #last = -1;

  /** The highest offset begun so far; -1 when there is none. */
  get last(): number {
    return this.#last;
  }

  /**
   * The offset to commit, with Kafka's meaning: the next offset to read after a restart. Every lower offset that was
   * begun is finished. Undefined while none was begun.
   */
  get committable(): number | undefined {
    return this.#open[this.#head] ?? (this.#last < 0 ? undefined : this.#last + 1);
  }

  /**
   * Begins an offset. Offsets come in rising order; gaps are allowed (compaction, control records).
   * @returns false when the offset is not above all earlier ones: it is in progress or finished already.
   */
  begin(offset: number): boolean {
    if (offset <= this.#last) return false;
    this.#last = offset;
    this.#open.push(offset);
    return true;
  }

  /** Finishes an offset that was begun, in any order. */
  finish(offset: number): void {
    this.#finished.add(offset);
    while (this.#head < this.#open.length && this.#finished.delete(this.#open[this.#head] ?? -1)) this.#head++;
    if (this.#head > TRIM_AFTER && this.#head * 2 > this.#open.length) {
      this.#open = this.#open.slice(this.#head);
      this.#head = 0;
    }
  }
}
