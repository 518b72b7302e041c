import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
/** The build writes `dist/console`; code that runs from its sources or from `build`, as in a bench, finds it there too. */
const FOLDERS = ['../../../../console/', '../../../../dist/console/', '../../../../../dist/console/'].map(
  (path) => new URL(path, import.meta.url),
);

const compress = promisify(gzip);

/** A file of the built console. */
export interface ConsoleFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** Compressed at the first call, and kept. */
  gzipped(): Promise<Buffer>;
}

/**
 * The files of the built console, by their path below `/console/`. All are read once, so a request never reaches the file
 * system, and no path can name another file. Empty when the console was not built.
 */
export function readConsoleFiles(): ReadonlyMap<string, ConsoleFile> {
  const folder = FOLDERS.find((url) => existsSync(new URL('index.html', url)));
  if (folder === undefined) return new Map();
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  return new Map(
    names.flatMap((name): [string, ConsoleFile][] => {
      const type = TYPES[extname(name)];
      return type === undefined ? [] : [[name, fileOf(type, readFileSync(new URL(name, folder)))]];
    }),
  );
}

function fileOf(type: string, bytes: Buffer): ConsoleFile {
  let compressed: Promise<Buffer> | undefined;
  return { type, bytes, gzipped: () => (compressed ??= compress(bytes)) };
}
