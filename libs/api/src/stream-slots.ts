import { Problem } from './problems.js';

/** Each import or export holds some hundreds of items in memory. */
const MAX_STREAMS = 4;

/** Limits the streams of one kind in this process. */
export class StreamSlots {
  readonly #taken = new Map<string, number>();
  #count = 0;

  /**
   * @param most for all clients
   * @param mostOfOne for one tenant or client
   */
  constructor(
    private readonly most = MAX_STREAMS,
    private readonly mostOfOne = 1,
  ) {}

  /**
   * @param owner a tenant or client
   * @returns gives the slot back; call it once
   * @throws Problem quota-exceeded when no slot is free
   */
  take(owner: string): () => void {
    const own = this.#taken.get(owner) ?? 0;
    if (own >= this.mostOfOne || this.#count >= this.most)
      throw new Problem('quota-exceeded', undefined, { 'retry-after': '5' });
    this.#taken.set(owner, own + 1);
    this.#count++;
    return () => {
      this.#count--;
      const remaining = (this.#taken.get(owner) ?? 1) - 1;
      if (remaining === 0) this.#taken.delete(owner);
      else this.#taken.set(owner, remaining);
    };
  }
}
