import { type DirectoryCacheReported } from '@countersign/contracts';
import { DirectoryCaches, type AwaitedChange } from '../directory.ports.js';

/** A change that is not confirmed yet. */
interface UnconfirmedChange {
  readonly changeId: string;
  /** Ids of the live caches that have not reported it. */
  readonly missing: Set<string>;
  /** Set while its confirmation is awaited; called when no cache is missing any more. */
  onComplete: (() => void) | undefined;
}

/** The last change that was confirmed without the reports of all live caches. */
interface LateChange {
  readonly changeId: string;
  /** Ids of the caches that had not reported it. */
  readonly missing: ReadonlySet<string>;
  /** On the monotonic clock, in milliseconds. */
  readonly at: number;
}

export interface LiveCachesOptions {
  /** The longest wait for the reports of one change, in milliseconds. */
  readonly limitMs: number;
  /** The longest wait while the caches that were late may not exist, in milliseconds. */
  readonly shortLimitMs: number;
  /** How long `shortLimitMs` applies after a change that was not reported in time, in milliseconds. */
  readonly shortForMs: number;
  /** Most live caches of one service. */
  readonly maxPerService: number;
  /** Called with the services of the caches that did not report a change in time; must not throw. */
  readonly onLate: (services: readonly string[]) => void;
  /** Called the first time that a service has more than `maxPerService` caches; must not throw. */
  readonly onTooMany: (service: string) => void;
}

/**
 * Knows the caches of the directory that are live, from their own reports. A cache that does not report a change within
 * the limit counts as dead until its next report, so a process that was killed delays one change only.
 *
 * A report can be forged by whoever may write to the topic. So the number of caches is bounded, a report costs the same
 * whatever their number is, and caches that never report a change do not delay every change by the whole limit.
 */
export class LiveCaches extends DirectoryCaches {
  /** Ids of the live caches of each service, the one with the oldest report first. */
  readonly #live = new Map<string, Set<string>>();
  readonly #unconfirmed = new Map<string, UnconfirmedChange>();
  /** Services that had too many caches. */
  readonly #crowded = new Set<string>();
  #late: LateChange | undefined;

  constructor(private readonly options: LiveCachesOptions) {
    super();
  }

  /** The number of live caches. */
  get size(): number {
    return [...this.#live.values()].reduce((sum, { size }) => sum + size, 0);
  }

  apply({ cacheId, service, isOpen, changes }: DirectoryCacheReported): void {
    if (isOpen) this.#add(cacheId, service);
    else this.#remove(cacheId, service);
    for (const changeId of changes) {
      // The cache exists and was only slow, so the next change waits for it again.
      if (this.#late?.changeId === changeId && this.#late.missing.has(cacheId)) this.#late = undefined;
      const change = this.#unconfirmed.get(changeId);
      if (change) reportedBy(change, cacheId);
    }
  }

  override expect(changeId: string): AwaitedChange {
    const missing = new Set([...this.#live.values()].flatMap((ids) => [...ids]));
    const change: UnconfirmedChange = { changeId, missing, onComplete: undefined };
    this.#unconfirmed.set(changeId, change);
    return {
      reported: () => this.#reported(change),
      end: () => void (this.#unconfirmed.get(changeId) === change && this.#unconfirmed.delete(changeId)),
    };
  }

  #reported(change: UnconfirmedChange): Promise<void> {
    if (change.missing.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#removeLate(change);
        change.onComplete?.();
      }, this.#limitMs());
      change.onComplete = () => {
        clearTimeout(timer);
        change.onComplete = undefined;
        resolve();
      };
    });
  }

  #limitMs(): number {
    const { limitMs, shortLimitMs, shortForMs } = this.options;
    return this.#late && performance.now() - this.#late.at < shortForMs ? shortLimitMs : limitMs;
  }

  #removeLate({ changeId, missing }: UnconfirmedChange): void {
    const late = new Set(missing);
    const isLate = (ids: ReadonlySet<string>): boolean => [...ids].some((cacheId) => late.has(cacheId));
    const services = [...this.#live].flatMap(([service, ids]) => (isLate(ids) ? [service] : [])).sort();
    this.options.onLate(services);
    for (const service of services) for (const cacheId of late) this.#remove(cacheId, service);
    this.#late = { changeId, missing: late, at: performance.now() };
  }

  /** A cache that starts while a change is unconfirmed is awaited too. */
  #add(cacheId: string, service: string): void {
    const ids = this.#live.get(service) ?? new Set();
    this.#live.set(service, ids);
    if (!ids.delete(cacheId)) for (const { missing } of this.#unconfirmed.values()) missing.add(cacheId);
    ids.add(cacheId);
    const [oldest] = ids;
    if (ids.size <= this.options.maxPerService || oldest === undefined) return;
    this.#remove(oldest, service);
    if (!this.#crowded.has(service)) this.options.onTooMany(service);
    this.#crowded.add(service);
  }

  #remove(cacheId: string, service: string): void {
    this.#live.get(service)?.delete(cacheId);
    for (const change of this.#unconfirmed.values()) reportedBy(change, cacheId);
  }
}

/** The change no longer waits for this cache. */
function reportedBy(change: UnconfirmedChange, cacheId: string): void {
  if (change.missing.delete(cacheId) && change.missing.size === 0) change.onComplete?.();
}
