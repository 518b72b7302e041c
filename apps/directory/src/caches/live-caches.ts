import { type DirectoryCacheReported } from '@countersign/contracts';
import { DirectoryCaches, type AwaitedChange } from '../directory.ports.js';

/** A change that is not confirmed yet. */
interface UnconfirmedChange {
  /** Ids of the caches that have reported it. */
  readonly reportedBy: Set<string>;
  /** Set while its confirmation is awaited. */
  onReport: (() => void) | undefined;
}

export interface LiveCachesOptions {
  /** The longest wait for the reports of one change, in milliseconds. */
  readonly limitMs: number;
  /** Called with the services of the caches that did not report a change in time; must not throw. */
  readonly onLate: (services: readonly string[]) => void;
}

/**
 * Knows the caches of the directory that are live, from their own reports. A cache that does not report a change within
 * the limit counts as dead until its next report, so a process that was killed delays one change only.
 */
export class LiveCaches extends DirectoryCaches {
  /** Service of each live cache, by the id of the cache. */
  readonly #live = new Map<string, string>();
  readonly #unconfirmed = new Map<string, UnconfirmedChange>();

  constructor(private readonly options: LiveCachesOptions) {
    super();
  }

  /** The number of live caches. */
  get size(): number {
    return this.#live.size;
  }

  apply({ cacheId, service, isOpen, changes }: DirectoryCacheReported): void {
    if (isOpen) this.#live.set(cacheId, service);
    else this.#live.delete(cacheId);
    for (const change of changes) this.#unconfirmed.get(change)?.reportedBy.add(cacheId);
    for (const { onReport } of this.#unconfirmed.values()) onReport?.();
  }

  override expect(changeId: string): AwaitedChange {
    const change: UnconfirmedChange = { reportedBy: new Set(), onReport: undefined };
    this.#unconfirmed.set(changeId, change);
    return {
      reported: () => this.#reported(change),
      end: () => void (this.#unconfirmed.get(changeId) === change && this.#unconfirmed.delete(changeId)),
    };
  }

  #reported(change: UnconfirmedChange): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        change.onReport = undefined;
        resolve();
      };
      const timer = setTimeout(() => {
        const late = this.#missing(change);
        this.options.onLate([...new Set(late.map(([, service]) => service))].sort());
        for (const [cacheId] of late) this.#live.delete(cacheId);
        finish();
      }, this.options.limitMs);
      // Compared with the caches that are live now, so one that started during the wait is awaited too.
      change.onReport = () => {
        if (this.#missing(change).length === 0) finish();
      };
      change.onReport();
    });
  }

  #missing({ reportedBy }: UnconfirmedChange): [cacheId: string, service: string][] {
    return [...this.#live].filter(([cacheId]) => !reportedBy.has(cacheId));
  }
}
