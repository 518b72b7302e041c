import { Injectable } from '@nestjs/common';
import { type LimitDimension, type RefusingLimit } from '@countersign/contracts';
import { RefusalCache, type CacheableRequest } from '@countersign/refusal-cache';
import { burstOf } from '../limits/gcra.decision.js';
import { MAX_REPEAT_SECONDS, type LimitCheck, type LimitRequest } from '../limits/limit.decision.js';
import { type LimitRule } from '../limits/rule.decision.js';

/** Interval in which one request per key is decided by the store, in milliseconds: another replica may have made a refund. */
const STORE_CHECK_MS = 5_000;

/** Keys over their limit. In a flood of refused requests, one in {@link STORE_CHECK_MS} reaches the database. */
@Injectable()
export class LimiterRefusalCache {
  readonly #cache = new RefusalCache<LimitRule>({
    isSameBasis: isSameRule,
    commandRetentionMs: MAX_REPEAT_SECONDS * 1000,
    checkIntervalMs: STORE_CHECK_MS,
  });

  #clearedAt = -Infinity;

  get size(): number {
    return this.#cache.size;
  }

  /** See {@link refused}. */
  get generation(): number {
    return this.#cache.generation;
  }

  /** The cached limit with the longest wait; undefined: the store must decide. */
  find(request: LimitRequest, now: number): RefusingLimit | undefined {
    if (this.#cache.size === 0) return undefined;
    const checks = request.checks.filter(({ shadow }) => !shadow);
    const found = this.#cache.find(cacheable(request, checks), now);
    return found && { ...found.limit, retryAfterMs: found.refusesUntil - now };
  }

  /**
   * Caches a refusal of the store, in place of what the cache had for this request.
   * @param generation the value of {@link generation} before the request to the store
   */
  refused(request: LimitRequest, limit: RefusingLimit, now: number, generation: number): void {
    this.#cache.noteRefused(request.command);
    this.#cache.remove(cacheable(request));
    const check = request.checks.find(({ dimension }) => dimension === limit.dimension);
    if (check === undefined) return;
    const [ofKey = '', ofMember = ofKey] = namesOf(check, request);
    const name = limit.admittedSubjects === undefined ? ofMember : ofKey;
    this.#cache.add({ name, basis: check.rule }, limit, now, undefined, generation);
  }

  /** Notes an admitted command, and removes what refused its keys, unless it is a repetition. */
  admitted(request: LimitRequest, now: number): void {
    if (this.#cache.size > 0) {
      const cached = cacheable(request);
      if (!this.#cache.isRepeated(cached)) this.#cache.remove(cached);
    }
    this.#cache.noteAdmitted(request.command, now);
  }

  /** Removes what a refund invalidates: the request, and everything that shares a counter with it. */
  refunded(request: LimitRequest): void {
    this.#cache.refunded(cacheable(request));
  }

  /** Removes the refusals of counters that were reset. Those of single subjects of a caller last until the store is asked. */
  reset(dimension: LimitDimension, keys: readonly string[]): void {
    for (const key of keys) this.#cache.delete(`${dimension}:${key}`);
  }

  /**
   * Removes everything, after a reset by another replica, but not again within {@link STORE_CHECK_MS}: a key that resets in a loop
   * would send the floods of all tenants to the database.
   * @returns whether it was removed
   */
  clear(now: number): boolean {
    if (now - this.#clearedAt < STORE_CHECK_MS) return false;
    this.#clearedAt = now;
    this.#cache.clear();
    return true;
  }
}

function cacheable(request: LimitRequest, checks = request.checks): CacheableRequest<LimitRule> {
  const { command, member } = request;
  return {
    command,
    candidates: checks.flatMap((check) => namesOf(check, request).map((name) => ({ name, basis: check.rule }))),
    hasSubjectIn: (admitted) => admitted.has(member),
    hasCommandIn: (admitted) => admitted.has(command),
  };
}

/** Names of the entries for a check. While the admitted subjects are unknown, only the refused member is cached, under a second name. */
function namesOf({ dimension, key }: LimitCheck, { member }: LimitRequest): readonly string[] {
  const ofKey = `${dimension}:${key}`;
  return dimension === 'subjectsPerCaller' ? [ofKey, `${ofKey}:${member}`] : [ofKey];
}

function isSameRule(one: LimitRule, other: LimitRule): boolean {
  return one.limit === other.limit && one.periodSeconds === other.periodSeconds && burstOf(one) === burstOf(other);
}
