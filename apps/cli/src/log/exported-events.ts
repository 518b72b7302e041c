import { open } from 'node:fs/promises';
import { leafHash } from '@countersign/transparency-log';
import { refusedSetting } from '../terminal/terminal.js';
import { readPruning } from './pruned-entries.js';

/** Lines that are kept until their hash appears in the log. More lines that are not in the log are not looked for. */
const WINDOW = 4_096;
/** Ranges of missing indexes and numbers of unknown lines that a report has. */
const SHOWN = 20;

/** What an export has and lacks. */
export interface ExportReport {
  readonly lines: number;
  /** Entries of the log that the export has no line of, without those that it states as pruned. */
  readonly missing: number;
  /** The last index that a line of the export states as pruned. */
  readonly prunedTo?: number;
  /** The first ranges of missing indexes, both ends included. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
  /** The first lines that are no entry of the log, or a second copy of one; from 1 on. */
  readonly unknown: readonly number[];
}

/**
 * Compares an export in NDJSON with the log. A line is exactly the bytes of an event, and the lines have the order of the log.
 * Memory is bounded: 4,096 lines are read ahead.
 */
export class ExportedEvents {
  readonly #ahead = new Map<string, number[]>();
  /** What lines that are not yet found in the log state as pruned, by hash. */
  readonly #statements = new Map<string, number>();
  /** The number of entries without a line at the begin of the log. */
  #leading = 0;
  #prunedTo = -1;
  readonly #ranges: [number, number][] = [];
  #kept = 0;
  #line = 0;
  #missing = 0;
  #hasEnded = false;

  private constructor(private readonly lines: AsyncIterator<string>) {}

  /** Reads the file of an export, and compares it with what `compare` gives to `onLeaves`. */
  static async with<T>(file: string, compare: (exported: ExportedEvents) => Promise<T>): Promise<T> {
    const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
      throw refusedSetting(`${file} cannot be read (${error.code})`);
    });
    try {
      return await compare(new ExportedEvents(handle.readLines()[Symbol.asyncIterator]()));
    } finally {
      await handle.close();
    }
  }

  /** Takes the next leaves of the log. */
  async add(begin: number, leaves: readonly Buffer[]): Promise<void> {
    for (const [at, leaf] of leaves.entries()) {
      await this.#readAhead();
      const key = leaf.toString('base64');
      const lines = this.#ahead.get(key);
      if (lines === undefined) this.#addMissing(begin + at);
      else {
        const to = this.#statements.get(key) ?? -1;
        if (to < begin + at) this.#prunedTo = Math.max(this.#prunedTo, to);
        lines.shift();
        this.#kept--;
        if (lines.length === 0) this.#ahead.delete(key);
      }
    }
  }

  async finish(): Promise<ExportReport> {
    const unknown = [...this.#ahead.values()].flat();
    for (let next = await this.#next(); next !== undefined; next = await this.#next()) {
      if (unknown.length < WINDOW + SHOWN) unknown.push(this.#line);
    }
    const first = unknown.sort((a, b) => a - b).slice(0, SHOWN);
    const pruned = Math.min(this.#leading, this.#prunedTo + 1);
    const [leading, ...others] = this.#ranges;
    const rest = pruned === this.#leading ? others : [[pruned, leading?.[1] ?? pruned] as const, ...others];
    return {
      ...{
        lines: this.#line,
        missing: this.#missing - pruned,
        ranges: pruned === 0 ? this.#ranges : rest,
        unknown: first,
      },
      ...(pruned > 0 && { prunedTo: this.#prunedTo }),
    };
  }

  async #readAhead(): Promise<void> {
    while (this.#kept < WINDOW) {
      const line = await this.#next();
      if (line === undefined) return;
      const bytes = Buffer.from(line);
      const key = leafHash(bytes).toString('base64');
      const prunedTo = readPruning(bytes);
      // An export of a log has few of them; a forged one cannot fill the memory.
      if (prunedTo !== undefined && this.#statements.size < WINDOW) this.#statements.set(key, prunedTo);
      this.#ahead.set(key, [...(this.#ahead.get(key) ?? []), this.#line]);
      this.#kept++;
    }
  }

  async #next(): Promise<string | undefined> {
    if (this.#hasEnded) return undefined;
    const next = await this.lines.next();
    this.#hasEnded = next.done ?? false;
    if (next.done) return undefined;
    this.#line++;
    return next.value;
  }

  #addMissing(index: number): void {
    this.#missing++;
    if (index === this.#leading) this.#leading++;
    const last = this.#ranges.at(-1);
    if (last?.[1] === index - 1) last[1] = index;
    else if (this.#ranges.length < SHOWN) this.#ranges.push([index, index]);
  }
}
