import { type LimitDimension } from '@countersign/contracts';
import { RecentIds } from '@countersign/runtime';
import { MAX_REPEAT_SECONDS, type LimitCheck, type LimitRequest } from '../limits/limit.decision.js';
import { burstOf } from '../limits/gcra.decision.js';
import { type LimitRule } from '../limits/rule.decision.js';

interface Entry {
  readonly until: number;
  readonly rule: LimitRule;
  readonly admittedSubjects: ReadonlySet<string> | undefined;
  readonly admittedCommands: ReadonlySet<string> | undefined;
  /** After this time one request asks the store again. */
  nextStoreCheckAt: number;
}

/** A reached limit, and how long it refuses. */
export interface ReachedLimit {
  readonly dimension: LimitDimension;
  readonly retryAfterMs: number;
  /** Of `subjectsPerCaller`: members that are still admitted. Undefined: only the refused member is known. */
  readonly admittedSubjects?: readonly string[];
  /** Of `caller` and `call`: commands that were admitted, by this or another replica. Repetitions of them are admitted. */
  readonly admittedCommands?: readonly string[];
}

/** Keys in the cache; beyond it the oldest entry is removed. */
const MAX_KEYS = 50_000;
/** Commands in each of the two generations. */
const MAX_COMMANDS = 50_000;
/** How long an admitted command is remembered at least, in milliseconds. */
const COMMAND_RETENTION_MS = MAX_REPEAT_SECONDS * 1000;
/** Interval in which one request per key asks the store again, in milliseconds: another replica may have made a refund. */
const STORE_CHECK_MS = 5_000;

/**
 * Keys over their limit, in memory. In a flood of refused requests, one in {@link STORE_CHECK_MS} reaches the database. The
 * cache only refuses and never admits; a request that it does not know is decided by the store.
 */
export class LimiterRefusalCache {
  readonly #entries = new Map<string, Entry>();
  readonly #admittedCommands = new RecentIds(COMMAND_RETENTION_MS, MAX_COMMANDS);
  #generation = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Changes with every removal. A refusal that the store decided before a removal must not be cached after it. */
  get generation(): number {
    return this.#generation;
  }

  /** The cached limit with the longest wait; undefined: the store must decide. */
  find(limitRequest: LimitRequest, now: number): ReachedLimit | undefined {
    // A repetition of an admitted command is free, even while its caller is over a limit; the store decides about it.
    if (this.#admittedCommands.has(limitRequest.command)) return undefined;
    let found: ReachedLimit | undefined;
    const due: Entry[] = [];
    for (const check of limitRequest.checks) {
      if (check.shadow) continue;
      for (const name of namesOf(check, limitRequest)) {
        const entry = this.#entries.get(name);
        if (entry === undefined || entry.admittedSubjects?.has(limitRequest.member)) continue;
        // Another replica admitted this command, before this one started or took over the partition.
        if (entry.admittedCommands?.has(limitRequest.command)) continue;
        if (entry.until <= now || !isSame(entry.rule, check.rule)) this.#entries.delete(name);
        else if (entry.nextStoreCheckAt <= now) due.push(entry);
        else if (found === undefined || entry.until - now > found.retryAfterMs) {
          const { dimension } = check;
          const { admittedSubjects, admittedCommands } = entry;
          found = {
            ...{ dimension, retryAfterMs: entry.until - now },
            ...(admittedSubjects && { admittedSubjects: [...admittedSubjects] }),
            ...(admittedCommands && { admittedCommands: [...admittedCommands] }),
          };
        }
      }
    }
    if (found === undefined) for (const entry of due) entry.nextStoreCheckAt = now + STORE_CHECK_MS;
    return found;
  }

  /**
   * Caches a refusal of the store, in place of what the cache had for this request.
   * @param generation the value of {@link generation} before the store was asked
   */
  refused(
    limitRequest: LimitRequest,
    { dimension, retryAfterMs, admittedSubjects, admittedCommands }: ReachedLimit,
    now: number,
    generation: number,
  ): void {
    // The store refused it, so its time for free repetitions is over.
    this.#admittedCommands.delete(limitRequest.command);
    this.#drop(limitRequest);
    const check = limitRequest.checks.find((one) => one.dimension === dimension);
    if (check === undefined || generation !== this.#generation) return;
    const [ofKey, ofMember] = namesOf(check, limitRequest);
    const name = admittedSubjects === undefined ? ofMember : ofKey;
    if (this.#entries.size >= MAX_KEYS && !this.#entries.has(name)) {
      for (const first of this.#entries.keys()) {
        this.#entries.delete(first);
        break;
      }
    }
    this.#entries.set(name, {
      ...{ until: now + retryAfterMs, rule: check.rule, nextStoreCheckAt: now + STORE_CHECK_MS },
      ...{
        admittedSubjects: admittedSubjects && new Set(admittedSubjects),
        admittedCommands: admittedCommands && new Set(admittedCommands),
      },
    });
  }

  /** Notes an admitted command, and removes what refused its keys, unless it is a repetition. */
  admitted(limitRequest: LimitRequest, now: number): void {
    if (!this.#isRepeated(limitRequest)) this.#drop(limitRequest);
    this.#admittedCommands.add(limitRequest.command, now);
  }

  /** Removes what a refund invalidates: the request, and everything that shares a counter with it. */
  refunded(limitRequest: LimitRequest): void {
    this.#generation++;
    this.#admittedCommands.delete(limitRequest.command);
    this.#drop(limitRequest);
  }

  /** Removes everything, after a reset. */
  clear(): void {
    this.#generation++;
    this.#entries.clear();
  }

  #isRepeated(limitRequest: LimitRequest): boolean {
    const { command, checks } = limitRequest;
    const entries = checks.flatMap((check) => namesOf(check, limitRequest)).map((name) => this.#entries.get(name));
    return this.#admittedCommands.has(command) || entries.some((entry) => entry?.admittedCommands?.has(command));
  }

  /** Removes entries that would refuse this request, but not those that only refuse other subjects of its caller. */
  #drop(limitRequest: LimitRequest): void {
    for (const check of limitRequest.checks) {
      for (const name of namesOf(check, limitRequest)) {
        if (this.#entries.get(name)?.admittedSubjects?.has(limitRequest.member) !== true) this.#entries.delete(name);
      }
    }
  }
}

/** Names of the cache entries for a check. While the admitted subjects are unknown, only the refused member is cached, under a name of its own. */
function namesOf({ dimension, key }: LimitCheck, { member }: LimitRequest): readonly [ofKey: string, ofMember: string] {
  const ofKey = `${dimension}:${key}`;
  return [ofKey, dimension === 'subjectsPerCaller' ? `${ofKey}:${member}` : ofKey];
}

function isSame(a: LimitRule, b: LimitRule): boolean {
  return a.limit === b.limit && a.periodSeconds === b.periodSeconds && burstOf(a) === burstOf(b);
}
