import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HASH_BYTES, MAX_ENTRY_BYTES, TILE_WIDTH, type TileCoordinates, tilePath } from '@countersign/transparency-log';

/** Evidence that cannot be had, so nothing can be said about the log: no connection, no permission. */
export class IncompleteEvidence extends Error {
  override readonly name = 'IncompleteEvidence';
}

const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);
/** Time for one answer, in milliseconds. */
const ANSWER_MS = 60_000;
/** Pauses before a request is repeated, in milliseconds. */
const RETRY_PAUSES_MS = [500, 2_000, 5_000];

/** The public files of a log. */
export abstract class LogSource {
  /** Address or folder, for reports. */
  abstract readonly name: string;

  /**
   * @param path as the audit service serves it, without a slash at its begin
   * @returns undefined when the log says that there is no such file, or that it was pruned
   * @throws IncompleteEvidence
   */
  abstract read(path: string): Promise<Buffer | undefined>;

  /** Whether the log says that a missing file was pruned. Not believed without an entry that states it. @throws IncompleteEvidence */
  isPruned(_path: string): Promise<boolean> {
    return Promise.resolve(false);
  }

  /** A tile or bundle. The full one is also read, because a log may delete a partial one when the full one exists. */
  async readTile(tile: TileCoordinates): Promise<Buffer | undefined> {
    const data = await this.read(tilePath(tile));
    if (data !== undefined || tile.width === TILE_WIDTH) return data;
    const full = await this.read(tilePath({ ...tile, width: TILE_WIDTH }));
    return tile.level === 'entries' ? full : full?.subarray(0, tile.width * HASH_BYTES);
  }
}

/** Files that were exported: `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`. */
export class FolderSource extends LogSource {
  constructor(readonly name: string) {
    super();
  }

  override async read(path: string): Promise<Buffer | undefined> {
    try {
      return await readFile(join(this.name, path));
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw new IncompleteEvidence(`${join(this.name, path)} cannot be read (${code})`);
    }
  }
}

interface FileAnswer {
  /** Undefined: there is no such file. */
  readonly data: Buffer | undefined;
  readonly isPruned: boolean;
}

/** The audit service, or whatever serves its files. */
export class HttpSource extends LogSource {
  /** Without a slash at its end. */
  readonly name: string;

  /** @param authorization header for entry bundles and proofs; never sent to another address, for redirects are refused */
  constructor(
    url: string,
    private readonly authorization?: string,
  ) {
    super();
    this.name = url.replace(/\/+$/, '');
  }

  override async read(path: string): Promise<Buffer | undefined> {
    return (await this.#answer(path)).data;
  }

  override async isPruned(path: string): Promise<boolean> {
    return (await this.#answer(path)).isPruned;
  }

  async #answer(path: string): Promise<FileAnswer> {
    for (let repeated = 0; ; repeated++) {
      const answer = await this.#request(path).catch((error: unknown) => {
        if (error instanceof IncompleteEvidence) throw error;
        return String((error as Error).cause ?? error);
      });
      if (typeof answer === 'object') return answer;
      const pause = RETRY_PAUSES_MS[repeated];
      if (pause === undefined) throw new IncompleteEvidence(`${this.name}/${path} cannot be read: ${answer}`);
      await delay(pause);
    }
  }

  /** @returns a text when the request may be repeated */
  async #request(path: string): Promise<FileAnswer | string> {
    const headers = this.authorization === undefined ? {} : { authorization: this.authorization };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(`${this.name}/${path}`, { headers, redirect: 'error', signal });
    const { status } = response;
    if (status === 200) return { data: await bodyOf(response), isPruned: false };
    await response.body?.cancel();
    if (status === 404 || status === 410) return { data: undefined, isPruned: status === 410 };
    if (status === 401 || status === 403)
      throw new IncompleteEvidence(`${this.name}/${path} needs an API key with the scope audit: status ${status}`);
    if (status < 500 && status !== 429)
      throw new IncompleteEvidence(`${this.name}/${path} was answered with status ${status}`);
    return `status ${status}`;
  }
}

/** Without a limit, a server could fill the memory. */
async function bodyOf(response: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > MAX_BUNDLE_BYTES)
      throw new IncompleteEvidence(`${response.url} has more than ${MAX_BUNDLE_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
