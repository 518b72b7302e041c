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
}

/** The state is saved this often, in milliseconds. */
const SAVE_MS = 1_000;

/** The tree that was verified, in a file, so the next verification continues there. Whoever writes the file is trusted. */
export class VerifyState {
  #savedAt = 0;

  constructor(
    private readonly file: string,
    private readonly identity: StateIdentity,
  ) {}

  /** @throws ServiceError SETTINGS_INVALID when the file is of another log, or cannot be read */
  read(): TiledTree | undefined {
    let saved: SavedTree;
    try {
      saved = JSON.parse(readFileSync(this.file, 'utf8')) as SavedTree;
      if (saved.log !== this.identity.log || saved.hashesOnly !== this.identity.hashesOnly)
        throw refusedSetting(`${this.file} is of another log, or of a verification with or without --hashes-only`);
      const tiles = saved.tiles.map((tile) => Buffer.from(tile, 'base64'));
      return TiledTree.restore(CompactRange.parse(Buffer.from(saved.range, 'base64')), tiles);
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
    const saved: SavedTree = {
      ...this.identity,
      range: tree.range.serialize().toString('base64'),
      tiles: tree.partialTiles().map(({ data }) => data.toString('base64')),
    };
    writeFileSync(`${this.file}.new`, JSON.stringify(saved), { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }
}
