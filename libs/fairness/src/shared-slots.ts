/**
 * A bounded number of slots that tenants share without a fixed quota. A tenant may take a slot while it holds fewer slots
 * than are free. So one tenant alone gets half of the slots, k busy tenants get 1/(k+1) each, and one more tenant always
 * finds a free slot (dynamic thresholds of Choudhury and Hahne, factor 1).
 */
export class SharedSlots {
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(
    /** At least 1. */
    readonly size: number,
  ) {}

  /** Slots taken by all tenants. */
  get taken(): number {
    return this.#taken;
  }

  /** Whether the tenant may take one more slot. */
  mayTake(tenant: string): boolean {
    return (this.#held.get(tenant) ?? 0) < this.size - this.#taken;
  }

  take(tenant: string): void {
    this.#held.set(tenant, (this.#held.get(tenant) ?? 0) + 1);
    this.#taken++;
  }

  release(tenant: string): void {
    const held = (this.#held.get(tenant) ?? 0) - 1;
    if (held > 0) this.#held.set(tenant, held);
    else this.#held.delete(tenant);
    this.#taken--;
  }
}
