import { open, readFile, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { EvidenceError, parseCheckpoint, splitNote } from '@countersign/transparency-log';
import { settingsInvalid } from '@countersign/runtime';
import { SignerState, type SignedHead } from './signing.ports.js';

/** A state that is longer was not written by a signer. */
const MAX_BYTES = 4 << 10;

/** A file with the note that was signed last. A write replaces the whole file, so a kill leaves the old note or the new one. */
export class StateFile extends SignerState {
  readonly #path: string;

  constructor(
    path: string,
    private readonly origin: string,
  ) {
    super();
    this.#path = resolve(path);
  }

  override async read(): Promise<SignedHead | undefined> {
    const bytes = await readFile(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw settingsInvalid([`LOG_SIGNER_STATE cannot be read (${error.code ?? 'unknown'})`]);
    });
    if (bytes === undefined) return undefined;
    try {
      if (bytes.length > MAX_BYTES) throw new EvidenceError('it is too long');
      const note = bytes.toString();
      const { origin, size, root } = parseCheckpoint(splitNote(note).text);
      if (origin === this.origin) return { size, root, note };
      throw new EvidenceError(`it is of the log ${origin}`);
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      const rule = `must name the state of the log ${this.origin}: restore the file, and do not remove it`;
      throw settingsInvalid([`LOG_SIGNER_STATE ${rule} (${error.message})`]);
    }
  }

  override async write({ note }: SignedHead): Promise<void> {
    const temporary = `${this.#path}.${process.pid}`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(note);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
    // The new name is durable only with the folder.
    const folder = await open(dirname(this.#path), 'r');
    await folder.sync().finally(() => folder.close());
  }
}
