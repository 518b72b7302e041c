import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CompactTree, leafHash } from './merkle.js';

const HASH_BYTES = 32;
/** Offset and length of the value, and its hash. Zeros: the event has not arrived. */
const ENTRY_BYTES = 8 + 4 + HASH_BYTES;

interface SavedState {
  readonly size: number;
  readonly hashes: readonly string[];
  /** The next offset of each partition, by `topic/partition`. */
  readonly offsets: Record<string, string>;
}

/** A copy of the log in a folder: the bytes of the events, an entry for each index, and how far the copy was verified. */
export class LogCopy {
  /** The events up to the last checkpoint that agreed. */
  verified: CompactTree;
  readonly offsets: Record<string, string>;
  readonly #values: number;
  readonly #entries: number;
  #end: number;

  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const open = (name: string): number => {
      const file = join(folder, name);
      return openSync(file, existsSync(file) ? 'r+' : 'w+', 0o600);
    };
    this.#values = open('values');
    this.#entries = open('entries');
    this.#end = fstatSync(this.#values).size;
    const file = join(folder, 'state.json');
    const state = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as SavedState) : undefined;
    this.verified = new CompactTree(
      state?.size,
      state?.hashes.map((hash) => Buffer.from(hash, 'base64')),
    );
    this.offsets = { ...state?.offsets };
  }

  /** @returns undefined: the event has not arrived */
  leaf(index: number): Buffer | undefined {
    const entry = Buffer.alloc(ENTRY_BYTES);
    readSync(this.#entries, entry, 0, ENTRY_BYTES, index * ENTRY_BYTES);
    return entry.readUInt32BE(8) === 0 ? undefined : entry.subarray(8 + 4);
  }

  /** Kafka delivers at least once, so an event can arrive again. @returns what it was */
  add(index: number, value: Buffer): 'new' | 'doubled' | 'different' {
    const leaf = leafHash(value);
    const known = this.leaf(index);
    if (known !== undefined) return known.equals(leaf) ? 'doubled' : 'different';
    writeSync(this.#values, value, 0, value.length, this.#end);
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry.writeBigUInt64BE(BigInt(this.#end));
    entry.writeUInt32BE(value.length, 8);
    leaf.copy(entry, 8 + 4);
    writeSync(this.#entries, entry, 0, ENTRY_BYTES, index * ENTRY_BYTES);
    this.#end += value.length;
    return 'new';
  }

  /** The events are on the disk before the offsets after them. */
  save(): void {
    fsyncSync(this.#values);
    fsyncSync(this.#entries);
    const { size, hashes } = this.verified;
    const state: SavedState = { size, hashes: hashes.map((hash) => hash.toString('base64')), offsets: this.offsets };
    const unfinished = join(this.folder, 'state.json.new');
    writeFileSync(unfinished, JSON.stringify(state), { mode: 0o600, flush: true });
    renameSync(unfinished, join(this.folder, 'state.json'));
  }

  close(): void {
    closeSync(this.#values);
    closeSync(this.#entries);
  }
}
