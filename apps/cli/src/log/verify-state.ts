import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { CompactRange, EvidenceError, TILE_WIDTH, TiledTree } from '@countersign/transparency-log';
import { refusedSetting } from '../terminal/terminal.js';

/** What a state belongs to; a state of another verification must not be continued. */
interface StateIdentity {
  readonly log: string;
  readonly hashesOnly: boolean;
}

interface SavedTree extends StateIdentity {
  /** Serialized `CompactRange`, base64. */
  readonly range: string;
  /** The partial tiles, base64. */
  readonly tiles: readonly string[];
  /** What the last whole verification found, base64. The tree ends at a full tile, so it can have up to 255 entries less. */
  readonly seen?: { readonly size: number; readonly root: string };
}

/** Where a verification continues. */
export interface ResumedVerification {
  readonly resumed: TiledTree;
  /** Size and root that the last whole verification found. */
  readonly seen?: { readonly size: number; readonly root: Buffer };
}

/** The state is saved this often, in milliseconds. */
const SAVE_MS = 1_000;

/** The tree that was verified, in a file, so the next verification continues there. Whoever writes the file is trusted. */
export class VerifyState {
  #savedAt = 0;
  #saved: Omit<SavedTree, keyof StateIdentity> = savedTree(TiledTree.empty());

  constructor(
    private readonly file: string,
    private readonly identity: StateIdentity,
  ) {}

  /** @throws ServiceError SETTINGS_INVALID when the file is of another log, or cannot be read */
  read(): ResumedVerification | undefined {
    let saved: SavedTree;
    try {
      saved = JSON.parse(readFileSync(this.file, 'utf8')) as SavedTree;
      if (saved.log !== this.identity.log || saved.hashesOnly !== this.identity.hashesOnly)
        throw refusedSetting(`${this.file} is of another log, or of a verification with or without --hashes-only`);
      const { range, seen } = saved;
      const tiles = saved.tiles.map((tile) => Buffer.from(tile, 'base64'));
      const resumed = TiledTree.restore(CompactRange.parse(Buffer.from(range, 'base64')), tiles);
      this.#saved = { range, tiles: saved.tiles, ...(seen && { seen }) };
      return { resumed, ...(seen && { seen: { size: seen.size, root: Buffer.from(seen.root, 'base64') } }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      if (error instanceof SyntaxError || error instanceof EvidenceError || error instanceof TypeError)
        throw refusedSetting(`${this.file} is damaged: remove it to begin again`);
      throw error;
    }
  }

  /** Saves the tree at the end of a full tile, now and then; in one step, so a crash leaves the old or the new state. */
  update(tree: TiledTree, size: number): void {
    const isLast = size - tree.size < TILE_WIDTH;
    if (tree.size % TILE_WIDTH !== 0 || (!isLast && performance.now() - this.#savedAt < SAVE_MS)) return;
    this.#savedAt = performance.now();
    this.#saved = { ...this.#saved, ...savedTree(tree) };
    this.#save();
  }

  /** Saves what a whole verification found, so a later one finds a rollback of the entries after the last full tile too. */
  finish({ size, root }: { readonly size: number; readonly root: Buffer }): void {
    this.#saved = { ...this.#saved, seen: { size, root: root.toString('base64') } };
    this.#save();
  }

  #save(): void {
    const saved: SavedTree = { ...this.identity, ...this.#saved };
    writeFileSync(`${this.file}.new`, JSON.stringify(saved), { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }
}

function savedTree(tree: TiledTree): Pick<SavedTree, 'range' | 'tiles'> {
  return {
    range: tree.range.serialize().toString('base64'),
    tiles: tree.partialTiles().map(({ data }) => data.toString('base64')),
  };
}
