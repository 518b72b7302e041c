import {
  createSignerKey,
  encodeEntryBundle,
  leafHash,
  parseSignerKey,
  signCheckpoint,
  type SignerKey,
  TiledTree,
  tileOf,
  tilePath,
  tilesOfGrowth,
} from '@countersign/transparency-log';
import { LogSource } from '../src/log/log-source.js';

export const ORIGIN = 'log.example/audit';
export const SIGNER = parseSignerKey(createSignerKey(ORIGIN));

/** The files of a log in memory, as the audit service serves them. */
export class LogInMemory extends LogSource {
  override readonly name = 'memory';

  /** @param files by path; a test alters them */
  constructor(readonly files: Map<string, Buffer>) {
    super();
  }

  /** An intact log of these entries. */
  static of(entries: readonly Buffer[], signer: SignerKey = SIGNER): LogInMemory {
    const files = new Map<string, Buffer>();
    const tree = TiledTree.empty();
    for (const { data, ...tile } of tree.append(entries.map(leafHash))) files.set(tilePath(tile), data);
    for (const { index, width } of tilesOfGrowth(0, entries.length).filter(({ level }) => level === 0)) {
      const bundle = encodeEntryBundle(entries.slice(index * 256, index * 256 + width));
      files.set(tilePath({ level: 'entries', index, width }), bundle);
    }
    files.set('checkpoint', Buffer.from(signCheckpoint({ size: entries.length, root: tree.root() }, signer)));
    return new LogInMemory(files);
  }

  /** A copy with its own files; their bytes are shared until they are replaced. */
  clone(): LogInMemory {
    return new LogInMemory(new Map(this.files));
  }

  get checkpoint(): string {
    return this.files.get('checkpoint')!.toString();
  }

  override read(path: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.files.get(path));
  }
}

/** The path of the bundle with an entry. */
export function bundleOf(index: number, size: number): string {
  return tilePath({ ...tileOf(0, Math.floor(index / 256), size), level: 'entries' });
}

/** Distinct entries of different lengths. */
export function entriesOf(count: number, salt = ''): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(`{"event":"${salt}${index}","text":"${'x'.repeat((index * 7) % 60)}"}`),
  );
}

/** The signed checkpoint of the first entries. */
export function checkpointOf(entries: readonly Buffer[], signer: SignerKey = SIGNER): string {
  const tree = TiledTree.empty();
  tree.append(entries.map(leafHash));
  return signCheckpoint({ size: entries.length, root: tree.root() }, signer);
}
