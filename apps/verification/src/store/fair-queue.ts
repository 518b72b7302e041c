import { type Asker } from '../ports.js';

/**
 * A queue in which tenants take turns, and within a tenant its callers: whoever asks for much at once waits behind everybody
 * who asks for little, not the other way round. What one caller asks for stays in order.
 */
export class FairQueue<T> {
  /** In the order of their turns; nobody in it has nothing. */
  readonly #tenants = new Map<string, Map<string, T[]>>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push({ tenant, caller }: Asker, item: T): void {
    const callers = this.#tenants.get(tenant) ?? new Map<string, T[]>();
    const items = callers.get(caller) ?? [];
    items.push(item);
    callers.set(caller, items);
    this.#tenants.set(tenant, callers);
    this.#length += 1;
  }

  /**
   * The next in turn that may go; who may not keeps his place.
   * @param mayGo asked about the first of each caller, until one may
   */
  shift(mayGo: (item: T) => boolean = () => true): T | undefined {
    for (const [tenant, callers] of this.#tenants) {
      for (const [caller, items] of callers) {
        const [item] = items;
        if (item === undefined || !mayGo(item)) continue;
        items.shift();
        this.#length -= 1;
        toTheEnd(callers, caller, items.length > 0 ? items : undefined);
        toTheEnd(this.#tenants, tenant, callers.size > 0 ? callers : undefined);
        return item;
      }
    }
    return undefined;
  }
}

/** A map keeps the order in which its keys were set. */
function toTheEnd<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  map.delete(key);
  if (value !== undefined) map.set(key, value);
}
