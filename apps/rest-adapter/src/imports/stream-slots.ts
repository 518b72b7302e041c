import { Problem } from '@countersign/api';

/** Each import or export holds a few hundred subjects in memory. */
const MAX_STREAMS = 4;

/** Limits the imports, or the exports, of this process: one for each tenant, and {@link MAX_STREAMS} for all. */
export class StreamSlots {
  readonly #tenants = new Set<string>();

  /**
   * @returns gives the slot back; call it once
   * @throws Problem quota-exceeded when no slot is free
   */
  take(tenant: string): () => void {
    if (this.#tenants.has(tenant) || this.#tenants.size >= MAX_STREAMS)
      throw new Problem('quota-exceeded', undefined, { 'retry-after': '5' });
    this.#tenants.add(tenant);
    return () => this.#tenants.delete(tenant);
  }
}
