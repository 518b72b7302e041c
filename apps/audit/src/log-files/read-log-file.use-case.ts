import { Inject, Injectable } from '@nestjs/common';
import {
  consistencyProof,
  encodeEntryBundle,
  formatVerifierKey,
  hashesAtLevel,
  parseTilePath,
  TILE_WIDTH,
  TileReader,
  type HashTileCoordinates,
  type VerifierKey,
} from '@countersign/transparency-log';
import { ReadRecords, type EventReader } from '../search/read-events.use-case.js';
import { LogFiles, type LogState } from './log-files.ports.js';

/** Tiles of a tree above 2^53 leaves do not exist: that has 7 levels. */
const MAX_TILE_LEVEL = 7;

/** Injects the keys that verify checkpoints, the current one first. */
export const LOG_KEYS = Symbol('keys of the log');

/** Serves the files of the log. Anybody may read checkpoints and hashes, which reveal nothing of an event. */
@Injectable()
export class ReadLogFile {
  constructor(
    private readonly files: LogFiles,
    private readonly records: ReadRecords,
    @Inject(LOG_KEYS) private readonly keys: readonly VerifierKey[],
  ) {}

  /** The current key of the signer, as a line of text. @returns undefined when LOG_PUBLIC_KEYS is not set */
  verifierKey(): string | undefined {
    const [current] = this.keys;
    return current && `${formatVerifierKey(current)}\n`;
  }

  /** The state of the log, with the keys that verify its checkpoints. @param tenant of the differences; undefined: all */
  async state(tenant: string | undefined): Promise<LogState & { readonly keys: readonly string[] }> {
    return { ...(await this.files.state(tenant)), keys: this.keys.map(formatVerifierKey) };
  }

  /**
   * The proof that the first `to` entries continue the first `from` (RFC 6962 section 2.1.2).
   * @param from at least 1
   * @param to at least `from`
   * @returns undefined when the last checkpoint does not cover `to`: the proof could not be verified
   */
  async consistency(from: number, to: number): Promise<Buffer[] | undefined> {
    const { size = 0 } = (await this.files.checkpoint()) ?? {};
    return to <= size ? consistencyProof(from, to, new ServedTiles(this.files)) : undefined;
  }

  /** The last signed checkpoint. */
  async checkpoint(): Promise<string | undefined> {
    return (await this.files.checkpoint())?.note;
  }

  /**
   * A tile that the last checkpoint covers: the hashes of a tile beyond it could not be verified.
   * @param path `tile/<L>/<N>[.p/<W>]`, in its exact form
   */
  async tile(path: string): Promise<Buffer | undefined> {
    const tile = parseTilePath(path);
    if (tile === undefined || tile.level === 'entries' || tile.level > MAX_TILE_LEVEL) return undefined;
    const { level, index, width } = tile;
    return (await this.#isSigned(level, index, width)) ? this.files.tile({ level, index, width }) : undefined;
  }

  /**
   * A bundle of entries that the last checkpoint covers. Reading it is an event itself, recorded before the answer.
   * @param path `tile/entries/<N>[.p/<W>]`, in its exact form
   * @returns 'pruned' when its entries are removed, or will be soon
   */
  async entries(reader: EventReader, path: string): Promise<Buffer | 'pruned' | undefined> {
    const bundle = parseTilePath(path);
    // A bundle has the events of all tenants.
    if (reader.tenant !== undefined || bundle?.level !== 'entries') return undefined;
    const { width, index } = bundle;
    if (!(await this.#isSigned(0, index, width))) return undefined;
    const entries = await this.files.entries(bundle);
    // After the entries were read: they are removed only below this index. Bundles below it are pruned in order, at once.
    if (index * TILE_WIDTH < (await this.files.prunedBelow())) return 'pruned';
    if (entries.length < width) return undefined;
    const detail = { format: 'entry-bundle', count: width, isComplete: true };
    await this.records.record('audit.exported', reader, {}, detail);
    return encodeEntryBundle(entries);
  }

  async #isSigned(level: number, index: number, width: number): Promise<boolean> {
    const { size = 0 } = (await this.files.checkpoint()) ?? {};
    return index * TILE_WIDTH + width <= hashesAtLevel(level, size);
  }
}

/** The tiles as others read them. */
class ServedTiles extends TileReader {
  constructor(private readonly files: LogFiles) {
    super();
  }

  override async readTile(tile: HashTileCoordinates): Promise<Buffer> {
    const hashes = await this.files.tile(tile);
    if (hashes === undefined) throw new Error(`tile ${tile.index} of level ${tile.level} is missing`);
    return hashes;
  }
}
