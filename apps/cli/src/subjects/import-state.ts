import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { IMPORT_RESULTS, type ImportResult } from '@countersign/contracts';
import { refusedSetting } from '../terminal/terminal.js';
import { isNdjson } from './source-rows.js';

/** What an import belongs to; a state of another one must not be continued. */
interface ImportIdentity {
  readonly url: string;
  readonly tenant: string;
  readonly size: number;
  readonly modifiedMs: number;
}

interface SavedState extends ImportIdentity {
  readonly importId: string;
  /** Every line up to this one has its result. */
  readonly line: number;
  readonly bytes: number;
  readonly counts: Record<ImportResult, number>;
  /** Size of the file of rejected rows. */
  readonly rejectedBytes: number;
}

/** Results are saved this often, in milliseconds. Those after it are sent again after a crash, and change nothing. */
const SAVE_MS = 250;

/** The state of an import in a file beside its input, so an import that was interrupted continues. */
export class ImportState {
  readonly #rejected: number;
  #saved: SavedState;
  #savedAt = 0;

  private constructor(
    private readonly stateFile: string,
    readonly rejectedFile: string,
    saved: SavedState,
    readonly isContinued: boolean,
    rejectedHead: string,
  ) {
    this.#saved = saved;
    this.#rejected = openSync(rejectedFile, isContinued ? 'r+' : 'w', 0o600);
    // The rejected rows have the secrets of the input, and the file can be an old one that others may read.
    fchmodSync(this.#rejected, 0o600);
    ftruncateSync(this.#rejected, saved.rejectedBytes);
    if (!isContinued && rejectedHead !== '') this.#append(`${rejectedHead}\n`);
  }

  /**
   * @param options restart: an import that was interrupted begins again. A dry run never continues, and has files of its own,
   * because it must not touch those of an import that was interrupted
   * @throws ServiceError SETTINGS_INVALID when the file was changed since an import of it was interrupted
   */
  static open(
    file: string,
    target: { readonly url: string; readonly tenant: string },
    options: {
      /** First line of the file of rejected rows, if it has one. */
      readonly rejectedHead: string;
      readonly restart: boolean;
      readonly dryRun: boolean;
    },
  ): ImportState {
    const { dryRun } = options;
    const suffix = dryRun ? '.dry-run' : '';
    const stateFile = `${file}${suffix}.import.json`;
    const base = file.replace(/\.(csv|ndjson|jsonl)$/i, '');
    const rejectedFile = `${base}${suffix}.rejected.${isNdjson(file) ? 'ndjson' : 'csv'}`;
    const { size, mtimeMs: modifiedMs } = statSync(file);
    const identity = { ...target, size, modifiedMs };
    const found = options.restart || dryRun ? undefined : read(stateFile);
    if (found !== undefined) {
      const changed = (['url', 'tenant', 'size', 'modifiedMs'] as const).filter(
        (name) => found[name] !== identity[name],
      );
      if (changed.length > 0) {
        const what =
          changed.includes('url') || changed.includes('tenant')
            ? 'went to another url or tenant'
            : 'is of another version of the file';
        throw refusedSetting(
          `an interrupted import of ${file} ${what}: add --restart to begin again, or continue as it was`,
        );
      }
    }
    const counts = Object.fromEntries(IMPORT_RESULTS.map((result) => [result, 0])) as Record<ImportResult, number>;
    const fresh = { ...identity, importId: `cli-${randomUUID()}`, line: 0, bytes: 0, counts, rejectedBytes: 0 };
    const isContinued = found !== undefined;
    const state = new ImportState(stateFile, rejectedFile, found ?? fresh, isContinued, options.rejectedHead);
    state.save();
    return state;
  }

  get importId(): string {
    return this.#saved.importId;
  }

  get line(): number {
    return this.#saved.line;
  }

  get bytes(): number {
    return this.#saved.bytes;
  }

  get counts(): Readonly<Record<ImportResult, number>> {
    return this.#saved.counts;
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  /** Takes the result of the next row. @param rejected its line in the file of rejected rows */
  add(row: { readonly line: number; readonly bytes: number }, result: ImportResult, rejected?: string): void {
    if (rejected !== undefined) this.#append(`${rejected}\n`);
    const counts = { ...this.counts, [result]: this.counts[result] + 1 };
    this.#saved = { ...this.#saved, line: row.line, bytes: row.bytes, counts };
    if (performance.now() - this.#savedAt >= SAVE_MS) this.save();
  }

  /** In one step, so a crash leaves the old or the new state. */
  save(): void {
    this.#savedAt = performance.now();
    writeFileSync(`${this.stateFile}.new`, JSON.stringify(this.#saved), { mode: 0o600 });
    renameSync(`${this.stateFile}.new`, this.stateFile);
  }

  /** Ends the import: nothing is left to continue. */
  finish(): void {
    this.close();
    rmSync(this.stateFile, { force: true });
    if (this.counts.rejected === 0) rmSync(this.rejectedFile, { force: true });
  }

  close(): void {
    closeSync(this.#rejected);
  }

  #append(text: string): void {
    const { rejectedBytes } = this.#saved;
    const bytes = writeSync(this.#rejected, text, rejectedBytes);
    this.#saved = { ...this.#saved, rejectedBytes: rejectedBytes + bytes };
  }
}

function read(stateFile: string): SavedState | undefined {
  try {
    return JSON.parse(readFileSync(stateFile, 'utf8')) as SavedState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw refusedSetting(`${stateFile} cannot be read: add --restart to begin again`);
  }
}
