import { tilePath, TILE_WIDTH } from '@countersign/transparency-log';
import { type LogDamage, type StatedPruning } from './damage.js';

/** The last index that an entry states as pruned; the first one is always 0. Undefined for any other entry. */
export function readPruning(entry: Buffer): number | undefined {
  if (!entry.includes('log.pruned')) return undefined;
  try {
    const { metadata, unmapped } = JSON.parse(entry.toString('utf8')) as {
      metadata?: { tenant_uid?: unknown };
      unmapped?: { kind?: unknown; detail?: { from?: unknown; to?: unknown } };
    };
    const { from, to } = unmapped?.detail ?? {};
    const isStatement = unmapped?.kind === 'log.pruned' && metadata?.tenant_uid === '_installation' && from === 0;
    return isStatement && Number.isSafeInteger(to) ? (to as number) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The entries that are missing at the begin of what is read, and the entry that states why. That entry comes later in the log,
 * so until it was read the missing entries are open.
 */
export class PrunedEntries {
  #end: number;
  #stated: { readonly to: number; readonly by: number } | undefined;

  /** @param begin index of the first entry that is read */
  constructor(private readonly begin: number) {
    this.#end = begin;
  }

  /** Adds a missing bundle. @returns false when entries before it were there: then it was not pruned */
  addMissing(index: number, width: number): boolean {
    // A log has a statement after its pruned entries, so the last bundle of a log that was read before is not pruned.
    if (index * TILE_WIDTH !== this.#end || (width < TILE_WIDTH && this.begin > 0)) return false;
    this.#end += width;
    return true;
  }

  /** Looks for the statement in entries with verified hashes. */
  read(begin: number, entries: readonly Buffer[]): void {
    if (this.#end === this.begin) return;
    for (const [at, entry] of entries.entries()) {
      const to = readPruning(entry);
      if (to !== undefined && to < begin + at && to >= (this.#stated?.to ?? 0)) this.#stated = { to, by: begin + at };
    }
  }

  /** Entries are missing, and nothing that was read so far states it. */
  get isOpen(): boolean {
    return this.#end > this.begin && (this.#stated === undefined || this.#stated.to < this.#end - 1);
  }

  /** Whether a log of this size has no entries at all. */
  isEverything(size: number): boolean {
    return this.begin === 0 && this.#end === size;
  }

  get stated(): StatedPruning | undefined {
    if (this.#stated === undefined || this.isOpen) return undefined;
    return { from: this.begin, to: this.#end - 1, statedBy: this.#stated.by };
  }

  /** The missing entries in words. */
  get range(): string {
    return `${this.begin} to ${this.#end - 1}`;
  }

  /** The damage when no entry states all of the missing ones. */
  removal(): LogDamage {
    const first = Math.max(this.begin, (this.#stated?.to ?? -1) + 1);
    const object = tilePath({ level: 'entries', index: Math.floor(first / TILE_WIDTH), width: TILE_WIDTH });
    const detail = `the entries ${first} to ${this.#end - 1} are missing, and no entry states that they were pruned`;
    return { kind: 'removed', object, first, last: first, detail };
  }
}
