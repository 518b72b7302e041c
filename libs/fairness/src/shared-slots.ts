/**
 * A bounded number of places that tenants share without a fixed quota. A tenant may take one more place while it holds
 * fewer than are free, so one tenant alone gets half of the places, k busy tenants get 1/(k+1) each, and whoever comes next
 * finds a free place (dynamic thresholds of Choudhury and Hahne, factor 1).
 */
export class SharedSlots {
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(
    /** At least 1. */
    readonly size: number,
  ) {}

  /** Places taken by all tenants. */
  get taken(): number {
    return this.#taken;
  }

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
