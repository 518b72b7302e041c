import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import { refusedSetting } from '../terminal/terminal.js';

export const EXPORT_FORMATS = ['ndjson', 'csv', 'ndjson.gz'] as const;
export type EventExportFormat = (typeof EXPORT_FORMATS)[number];

/** What an export belongs to; another one must not continue it. */
export interface ExportIdentity {
  readonly url: string;
  readonly format: EventExportFormat;
  readonly filters: Readonly<Record<string, string>>;
}

/** Progress of an export. */
export interface ExportPosition {
  readonly count: number;
  /** The head of a CSV file was written. */
  readonly hasHead?: boolean;
  /** The last line that arrived; undefined before the first. */
  readonly lastLine?: string;
  /** Index after which the export continues, when it is known without the last line. */
  readonly cursor?: string;
}

interface SavedExport extends ExportIdentity {
  readonly position: ExportPosition;
  readonly bytes: number;
}

/** Where an export goes. */
export interface ExportTarget {
  position: ExportPosition;
  /** @param lines whole lines */
  write(lines: Buffer, position: ExportPosition): Promise<void> | void;
}

/** Uncompressed bytes of one part of a compressed file. Larger parts would compress only slightly better. */
const ZIPPED_PART_BYTES = 1_048_576;
/** The position is saved this often, in milliseconds. What came after it is removed from the file and read again. */
const SAVE_MS = 1_000;

/**
 * A file that grows while an export arrives, with its position in a file beside it, so an export that was interrupted
 * continues. The file gets its name when it is complete.
 */
export class ExportFile implements ExportTarget {
  readonly isContinued: boolean;
  position: ExportPosition;
  readonly #part: string;
  readonly #stateFile: string;
  readonly #fd: number;
  #bytes: number;
  #savedAt = performance.now();
  /** Lines that are not compressed yet. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;

  /** @throws ServiceError SETTINGS_INVALID when another export to this file was interrupted, or it cannot be written */
  constructor(
    private readonly file: string,
    private readonly identity: ExportIdentity,
    options: { readonly start: ExportPosition; readonly restart: boolean },
  ) {
    this.#part = `${file}.part`;
    this.#stateFile = `${file}.export.json`;
    const found = options.restart ? undefined : readState(this.#stateFile);
    if (found !== undefined && JSON.stringify(identityOf(found)) !== JSON.stringify(identityOf(identity)))
      throw refusedSetting(
        `an interrupted export to ${file} has another url, format or filter: add --restart to begin again, or use the same options`,
      );
    this.isContinued = found !== undefined;
    this.position = found?.position ?? options.start;
    this.#bytes = found?.bytes ?? 0;
    try {
      if (!this.isContinued) rmSync(this.#part, { force: true });
      // Events are personal data.
      this.#fd = openSync(this.#part, this.isContinued ? 'r+' : 'wx', 0o600);
      ftruncateSync(this.#fd, this.#bytes);
    } catch (error) {
      throw refusedSetting(
        `${this.#part} cannot be written (${(error as NodeJS.ErrnoException).code}): add --restart to begin again`,
      );
    }
  }

  write(lines: Buffer, position: ExportPosition): void {
    if (this.identity.format === 'ndjson.gz') {
      this.#waiting.push(lines);
      this.#waitingBytes += lines.length;
      // The saved position is always one at which a compressed part ends.
      if (this.#waitingBytes < ZIPPED_PART_BYTES) return void (this.position = position);
      this.#flush();
    } else this.#append(lines);
    this.position = position;
    if (performance.now() - this.#savedAt >= SAVE_MS) this.#save();
  }

  /** Saves the position of an export that was interrupted. */
  interrupt(): void {
    this.#flush();
    this.#save();
    closeSync(this.#fd);
  }

  /** Gives the complete file its name. */
  finish(): void {
    this.#flush();
    closeSync(this.#fd);
    renameSync(this.#part, this.file);
    rmSync(this.#stateFile, { force: true });
  }

  #flush(): void {
    if (this.#waitingBytes > 0) this.#append(gzipSync(Buffer.concat(this.#waiting)));
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #append(bytes: Buffer): void {
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#bytes + at);
    } catch (error) {
      throw refusedSetting(
        `${this.#part} cannot be written (${(error as NodeJS.ErrnoException).code}): make room, then run the command again, which continues there`,
      );
    }
    this.#bytes += bytes.length;
  }

  #save(): void {
    const state: SavedExport = { ...identityOf(this.identity), position: this.position, bytes: this.#bytes };
    const unfinished = `${this.#stateFile}.new`;
    writeFileSync(unfinished, JSON.stringify(state), { mode: 0o600 });
    renameSync(unfinished, this.#stateFile);
    this.#savedAt = performance.now();
  }
}

function identityOf({ url, format, filters }: ExportIdentity): ExportIdentity {
  return { url, format, filters: Object.fromEntries(Object.entries(filters).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** @returns undefined: no export was interrupted. @throws ServiceError SETTINGS_INVALID */
function readState(file: string): SavedExport | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as SavedExport;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw refusedSetting(`${file} cannot be read: add --restart to begin again`);
  }
}
