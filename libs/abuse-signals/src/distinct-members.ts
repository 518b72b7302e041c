/** Share of a tenant's pairs that keys with one member keep, so that new keys can still reach a second member. */
const SINGLES_SHARE = 0.25;
/** Share of a tenant's pairs that one eviction removes: the search for the largest tenant then serves many additions. */
const EVICTED_SHARE = 1 / 16;

/**
 * Counts the distinct members of each key in bounded memory, for example the subjects of each caller, over the current and
 * the previous span of time.
 *
 * When memory is full, the tenant with the most pairs loses its oldest ones, keys with one member first: a flood consists of
 * those, while the keys of an attack have several. No tenant loses pairs to another tenant's flood.
 */
export class DistinctMemberCounter {
  /** Pairs of the current span and of the previous one, by tenant. */
  #current = new Map<string, TenantPairs>();
  #previous = new Map<string, TenantPairs>();
  /** Number of pairs of all tenants in the current span. */
  #pairs = 0;
  /** Keys that reached their threshold in the current span. */
  #reported = new Set<string>();
  #spanStartedAt: number | undefined;

  /**
   * @param spanMs length of a span in milliseconds
   * @param maxPairs most pairs of key and member in one span
   */
  constructor(
    private readonly spanMs: number,
    private readonly maxPairs: number,
  ) {}

  /**
   * Adds a member to a key.
   * @param threshold number of members at which the key is reported; further members are not stored
   * @param now milliseconds of a clock that does not go back
   * @returns the number of members when the key reaches the threshold, once per key and span; otherwise undefined
   */
  add(tenant: string, key: string, member: string, threshold: number, now: number): number | undefined {
    this.#startSpan(now);
    const pairs = this.#current.get(tenant) ?? new TenantPairs();
    this.#current.set(tenant, pairs);
    const size = pairs.has(key, member) ? pairs.sizeOf(key) : this.#store(tenant, pairs, key, member, threshold);
    return size >= threshold && this.#isFirstReport(tenant, key) ? size : undefined;
  }

  /** Makes the next `add` of a key return its number again, for a report that was lost. */
  reportAgain(tenant: string, key: string): void {
    this.#reported.delete(`${tenant} ${key}`);
  }

  /** Removes everything. */
  clear(): void {
    this.#current = new Map();
    this.#previous = new Map();
    this.#reported = new Set();
    this.#pairs = 0;
  }

  /** @returns the number of members of the key */
  #store(tenant: string, pairs: TenantPairs, key: string, member: string, threshold: number): number {
    const members = new Set(pairs.membersOf(key) ?? this.#previous.get(tenant)?.membersOf(key));
    if (members.size < threshold) members.add(member);
    const before = pairs.count;
    pairs.set(key, members);
    this.#pairs += pairs.count - before;
    while (this.#pairs > this.maxPairs) this.#evictFromLargestTenant();
    return members.size;
  }

  #isFirstReport(tenant: string, key: string): boolean {
    const name = `${tenant} ${key}`;
    if (this.#reported.has(name)) return false;
    if (this.#reported.size >= this.maxPairs) this.#reported.clear();
    this.#reported.add(name);
    return true;
  }

  #evictFromLargestTenant(): void {
    let largest: [tenant: string, pairs: TenantPairs] | undefined;
    for (const one of this.#current) if (largest === undefined || one[1].count > largest[1].count) largest = one;
    if (largest === undefined) return;
    const [tenant, pairs] = largest;
    this.#pairs -= pairs.count;
    pairs.evict();
    this.#pairs += pairs.count;
    if (pairs.count === 0) this.#current.delete(tenant);
  }

  /** Starts the next span when the current one is over. */
  #startSpan(now: number): void {
    this.#spanStartedAt ??= now;
    if (now - this.#spanStartedAt < this.spanMs) return;
    this.#spanStartedAt = now;
    this.#previous = this.#current;
    this.#current = new Map();
    this.#reported = new Set();
    this.#pairs = 0;
  }
}

/** The pairs of key and member of one tenant in one span. */
class TenantPairs {
  count = 0;
  /** Keys with one member, the oldest first. Nearly all keys are here; a set for each would take ten times the memory. */
  readonly #singles = new Map<string, string>();
  /** Keys with several members, first the one whose last new member is the oldest. */
  readonly #several = new Map<string, ReadonlySet<string>>();

  has(key: string, member: string): boolean {
    return this.#singles.get(key) === member || (this.#several.get(key)?.has(member) ?? false);
  }

  membersOf(key: string): Iterable<string> | undefined {
    const single = this.#singles.get(key);
    return single === undefined ? this.#several.get(key) : [single];
  }

  sizeOf(key: string): number {
    return this.#singles.has(key) ? 1 : (this.#several.get(key)?.size ?? 0);
  }

  set(key: string, members: ReadonlySet<string>): void {
    this.#remove(key);
    const [first] = members;
    if (members.size === 1 && first !== undefined) this.#singles.set(key, first);
    else this.#several.set(key, members);
    this.count += members.size;
  }

  evict(): void {
    const remaining = this.count * (1 - EVICTED_SHARE);
    const from = this.#singles.size > this.count * SINGLES_SHARE ? this.#singles : this.#several;
    for (const oldest of from.keys()) {
      this.#remove(oldest);
      if (this.count <= remaining) return;
    }
  }

  #remove(key: string): void {
    this.count -= this.#singles.delete(key) ? 1 : (this.#several.get(key)?.size ?? 0);
    this.#several.delete(key);
  }
}
