import { type Requester } from '@countersign/contracts';

/** Which waiting items may go; each defaults to all of them. */
export interface DequeueFilter<T> {
  readonly tenant?: (tenant: string) => boolean;
  /** Called with the first item of each caller, until one may go. */
  readonly item?: (item: T) => boolean;
}

/** What waits for a tenant, for an agent of it, or for a caller of that agent. */
class Share<T> {
  /** Items in it and below it. */
  length = 0;
  /** Of the next level, in the order of their turns; none of them is empty. */
  readonly below = new Map<string, Share<T>>();
  /** Only of a caller. */
  readonly items: T[] = [];
}

/**
 * A queue in which tenants take turns, within a tenant its agents, and within an agent its callers. Whoever has much
 * waiting delays only itself: of k tenants that have something waiting, each gets every k-th turn. The items of one caller
 * keep their order.
 */
export class FairQueue<T> {
  readonly #all = new Share<T>();

  get length(): number {
    return this.#all.length;
  }

  /** Items of one tenant that wait. */
  lengthOf(tenant: string): number {
    return this.#all.below.get(tenant)?.length ?? 0;
  }

  push(requester: Requester, item: T): void {
    let share = this.#all;
    share.length++;
    for (const name of pathOf(requester)) {
      let next = share.below.get(name);
      if (next === undefined) share.below.set(name, (next = new Share()));
      next.length++;
      share = next;
    }
    share.items.push(item);
  }

  /** Takes the next item, in turn, that may go; those that may not keep their turn. */
  shift(mayGo: DequeueFilter<T> = {}): T | undefined {
    for (const [tenant, share] of this.#all.below) {
      if (mayGo.tenant?.(tenant) === false) continue;
      const [item] = takeNext(share, mayGo.item);
      if (item === undefined) continue;
      taken(this.#all, tenant, share);
      return item;
    }
    return undefined;
  }

  /** Takes the item that gives way when the queue is full: the newest one of the largest tenant's largest agent's largest caller. */
  pop(): T | undefined {
    const path: Share<T>[] = [this.#all];
    const names: string[] = [];
    for (let share = this.#all; share.below.size > 0;) {
      const [name, next] = largest(share.below);
      names.push(name);
      path.push((share = next));
    }
    const item = path.at(-1)?.items.pop();
    if (item !== undefined) removed(path, names);
    return item;
  }

  /** Takes one item out, wherever it waits. @returns whether it was there */
  remove(requester: Requester, item: T): boolean {
    const names = pathOf(requester);
    const path: Share<T>[] = [this.#all];
    for (const name of names) {
      const next = path.at(-1)?.below.get(name);
      if (next === undefined) return false;
      path.push(next);
    }
    const items = path.at(-1)?.items ?? [];
    const at = items.indexOf(item);
    if (at < 0) return false;
    items.splice(at, 1);
    removed(path, names);
    return true;
  }
}

/** The same items in the order in which a fair queue gives them. */
export function inFairOrder<T>(items: readonly T[], requesterOf: (item: T) => Requester): T[] {
  const queue = new FairQueue<T>();
  for (const item of items) queue.push(requesterOf(item), item);
  return items.map(() => queue.shift() as T);
}

const pathOf = ({ tenant, agent, caller }: Requester): string[] => [tenant, agent, caller];

/** In a list, so that an item may be anything but undefined. */
function takeNext<T>(share: Share<T>, mayGo: DequeueFilter<T>['item']): [T] | [] {
  const [first] = share.items;
  if (first !== undefined) {
    if (mayGo?.(first) === false) return [];
    share.items.shift();
    share.length--;
    return [first];
  }
  for (const [name, next] of share.below) {
    const found = takeNext(next, mayGo);
    if (found.length === 0) continue;
    taken(share, name, next);
    return found;
  }
  return [];
}

/** An item of `below` has gone: its next turn comes after all others of its level. A map keeps the order in which keys were set. */
function taken<T>(share: Share<T>, name: string, below: Share<T>): void {
  share.length--;
  share.below.delete(name);
  if (below.length > 0) share.below.set(name, below);
}

/** An item of the last share of a path has gone, and no turn has passed. */
function removed<T>(path: readonly Share<T>[], names: readonly string[]): void {
  for (const share of path) share.length--;
  for (let at = names.length; at > 0; at--) {
    if (path[at]?.length === 0) path[at - 1]?.below.delete(names[at - 1] as string);
  }
}

/** The last of the largest ones: its turn is furthest away. */
function largest<T>(shares: ReadonlyMap<string, Share<T>>): [string, Share<T>] {
  return [...shares].reduce((found, one) => (one[1].length >= found[1].length ? one : found));
}
