/** The part of a full memory that keys of one member keep: without it nothing new could be seen any more. */
const SINGLES_PART = 0.25;
/** Of the largest tenant's, this part makes room at once: one pass over the oldest for many that come. */
const EVICTED_PART = 1 / 16;

/**
 * How many distinct members each key came with in the last while, in bounded memory: in the span that runs and the one
 * before it. When it is full, the tenant with the most makes room, first with its oldest keys of one member. So a flood
 * displaces keys that say nothing yet before those that come near being told, and no tenant displaces another's.
 */
export class DistinctMemberCounter {
  #now = new Map<string, Share>();
  #before = new Map<string, Share>();
  #pairs = 0;
  #told = new Set<string>();
  #turnedAt: number | undefined;

  /**
   * @param spanMs in milliseconds; members are known for one to two spans
   * @param mostPairs pairs of key and member in one span, at most
   */
  constructor(
    private readonly spanMs: number,
    private readonly mostPairs: number,
  ) {}

  /**
   * Notes that a key came with a member.
   * @param most members at which the key is told; more of it are not counted
   * @param now milliseconds of a clock that does not go back
   * @returns the number of members when it has come to `most`, once for each key and span; else undefined
   */
  add(tenant: string, key: string, member: string, most: number, now: number): number | undefined {
    this.#turn(now);
    const share = this.#now.get(tenant) ?? new Share();
    this.#now.set(tenant, share);
    const size = share.has(key, member) ? share.sizeOf(key) : this.#count(tenant, share, key, member, most);
    return size >= most && this.#isNews(tenant, key) ? size : undefined;
  }

  /** Makes the next `add` of a key return its number again, for a report that was lost. */
  reportAgain(tenant: string, key: string): void {
    this.#told.delete(`${tenant} ${key}`);
  }

  /** Forgets everything. */
  clear(): void {
    this.#now = new Map();
    this.#before = new Map();
    this.#told = new Set();
    this.#pairs = 0;
  }

  /** @returns the number of members of the key */
  #count(tenant: string, share: Share, key: string, member: string, most: number): number {
    const members = new Set(share.membersOf(key) ?? this.#before.get(tenant)?.membersOf(key));
    if (members.size < most) members.add(member);
    const had = share.pairs;
    share.set(key, members);
    this.#pairs += share.pairs - had;
    while (this.#pairs > this.mostPairs) this.#makeRoom();
    return members.size;
  }

  #isNews(tenant: string, key: string): boolean {
    const name = `${tenant} ${key}`;
    if (this.#told.has(name)) return false;
    if (this.#told.size >= this.mostPairs) this.#told.clear();
    this.#told.add(name);
    return true;
  }

  #makeRoom(): void {
    let largest: [tenant: string, share: Share] | undefined;
    for (const one of this.#now) if (largest === undefined || one[1].pairs > largest[1].pairs) largest = one;
    if (largest === undefined) return;
    const [tenant, share] = largest;
    this.#pairs -= share.pairs;
    share.evict();
    this.#pairs += share.pairs;
    if (share.pairs === 0) this.#now.delete(tenant);
  }

  #turn(now: number): void {
    this.#turnedAt ??= now;
    if (now - this.#turnedAt < this.spanMs) return;
    this.#turnedAt = now;
    this.#before = this.#now;
    this.#now = new Map();
    this.#told = new Set();
    this.#pairs = 0;
  }
}

/** What is counted of one tenant in one span. */
class Share {
  pairs = 0;
  /** Nearly all keys have one member, and no set of their own: a tenth of the memory. The oldest comes first. */
  readonly #singles = new Map<string, string>();
  /** The one that has been without a new member for the longest comes first. */
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
    this.pairs += members.size;
  }

  evict(): void {
    const left = this.pairs * (1 - EVICTED_PART);
    const from = this.#singles.size > this.pairs * SINGLES_PART ? this.#singles : this.#several;
    for (const oldest of from.keys()) {
      this.#remove(oldest);
      if (this.pairs <= left) return;
    }
  }

  #remove(key: string): void {
    this.pairs -= this.#singles.delete(key) ? 1 : (this.#several.get(key)?.size ?? 0);
    this.#several.delete(key);
  }
}
