import { type Requester } from '@countersign/contracts';

/** Which waiting items may be taken; by default all. */
export interface DequeueFilter<T> {
  readonly tenant?: (tenant: string) => boolean;
  /** Called with the first item of each caller, until it accepts one. */
  readonly item?: (item: T) => boolean;
}

/** The waiting items of a tenant, of one of its agents, or of a caller of that agent. */
class QueueNode<T> {
  /** Number of items at this level and below. */
  length = 0;
  /** The next level, in the order of turns; no entry is empty. */
  readonly children = new Map<string, QueueNode<T>>();
  /** Only at the level of a caller. */
  readonly items: T[] = [];
}

/**
 * A queue in which tenants take turns, then the agents of a tenant, then the callers of an agent. A long backlog delays only
 * its owner: of k tenants with waiting items, each gets every k-th turn. The items of one caller keep their order.
 */
export class FairQueue<T> {
  readonly #root = new QueueNode<T>();

  get length(): number {
    return this.#root.length;
  }

  /** Number of waiting items of one tenant. */
  lengthOf(tenant: string): number {
    return this.#root.children.get(tenant)?.length ?? 0;
  }

  push(requester: Requester, item: T): void {
    let node = this.#root;
    node.length++;
    for (const name of pathOf(requester)) {
      let next = node.children.get(name);
      if (next === undefined) node.children.set(name, (next = new QueueNode()));
      next.length++;
      node = next;
    }
    node.items.push(item);
  }

  /** Removes and returns the next item that the filter accepts. Skipped items keep their turn. */
  shift(filter: DequeueFilter<T> = {}): T | undefined {
    for (const [tenant, node] of this.#root.children) {
      if (filter.tenant?.(tenant) === false) continue;
      const [item] = takeNext(node, filter.item);
      if (item === undefined) continue;
      endTurn(this.#root, tenant, node);
      return item;
    }
    return undefined;
  }

  /**
   * Removes and returns the item to evict when the queue is full: the newest item of the largest caller of the largest agent
   * of the largest tenant.
   */
  pop(): T | undefined {
    const path: QueueNode<T>[] = [this.#root];
    const names: string[] = [];
    for (let node = this.#root; node.children.size > 0;) {
      const [name, next] = largest(node.children);
      names.push(name);
      path.push((node = next));
    }
    const item = path.at(-1)?.items.pop();
    if (item !== undefined) updatePath(path, names);
    return item;
  }

  /** Removes one item at any position. @returns whether it was waiting */
  remove(requester: Requester, item: T): boolean {
    const names = pathOf(requester);
    const path: QueueNode<T>[] = [this.#root];
    for (const name of names) {
      const next = path.at(-1)?.children.get(name);
      if (next === undefined) return false;
      path.push(next);
    }
    const items = path.at(-1)?.items ?? [];
    const at = items.indexOf(item);
    if (at < 0) return false;
    items.splice(at, 1);
    updatePath(path, names);
    return true;
  }
}

/** The items in the order in which a fair queue returns them. */
export function inFairOrder<T>(items: readonly T[], requesterOf: (item: T) => Requester): T[] {
  const queue = new FairQueue<T>();
  for (const item of items) queue.push(requesterOf(item), item);
  return items.map(() => queue.shift() as T);
}

const pathOf = ({ tenant, agent, caller }: Requester): string[] => [tenant, agent, caller];

/** Returns a list, which is empty when the filter accepts no item. */
function takeNext<T>(node: QueueNode<T>, mayTake: DequeueFilter<T>['item']): [T] | [] {
  const [first] = node.items;
  if (first !== undefined) {
    if (mayTake?.(first) === false) return [];
    node.items.shift();
    node.length--;
    return [first];
  }
  for (const [name, next] of node.children) {
    const found = takeNext(next, mayTake);
    if (found.length === 0) continue;
    endTurn(node, name, next);
    return found;
  }
  return [];
}

/** After an item of a child was taken: moves the child to the end of its level. A map iterates in order of insertion. */
function endTurn<T>(node: QueueNode<T>, name: string, child: QueueNode<T>): void {
  node.length--;
  node.children.delete(name);
  if (child.length > 0) node.children.set(name, child);
}

/** After an item at the end of a path was removed: updates the counts and keeps the order of turns. */
function updatePath<T>(path: readonly QueueNode<T>[], names: readonly string[]): void {
  for (const node of path) node.length--;
  for (let at = names.length; at > 0; at--) {
    if (path[at]?.length === 0) path[at - 1]?.children.delete(names[at - 1] as string);
  }
}

/** The largest child; of equally large ones the last, because its turn is the latest. */
function largest<T>(children: ReadonlyMap<string, QueueNode<T>>): [string, QueueNode<T>] {
  return [...children].reduce((found, one) => (one[1].length >= found[1].length ? one : found));
}
