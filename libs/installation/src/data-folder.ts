import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ServiceError } from '@countersign/runtime';

/**
 * Creates the data folder if it is missing and checks that it is writable, before any service starts in it.
 * @returns its absolute path
 * @throws ServiceError SETTINGS_INVALID that names DATA_DIR and the folder
 */
export function openDataFolder(folder: string): string {
  const path = resolve(folder);
  const probe = join(path, `.probe-${process.pid}`);
  try {
    makeFolder(path);
    if (!statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    writeFileSync(probe, '', { mode: 0o600 });
    rmSync(probe);
    return path;
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new ServiceError(
      'SETTINGS_INVALID',
      `DATA_DIR must be a folder that can be written to: ${path} ${REASONS[code] ?? `cannot (${code})`}`,
      false,
    );
  }
}

/**
 * Creates a folder and its missing parents. Other users may enter by default, because a process that runs as root starts the
 * database as another user; secrets have a folder of their own. Does not use the option `recursive` of `mkdirSync`, which
 * never returns below a folder such as /proc, where creating a folder fails with ENOENT.
 * @param mode of the new folders
 * @throws Error of the system
 */
export function makeFolder(folder: string, mode = 0o755): void {
  const missing: string[] = [];
  for (let path = resolve(folder); !existsSync(path); path = dirname(path)) missing.unshift(path);
  for (const path of missing) mkdirSync(path, { mode });
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'is a file',
  ENOTDIR: 'is a file, or is below a file',
  EACCES: 'belongs to another user',
  EPERM: 'cannot be changed',
  EROFS: 'is on a file system that is read only',
  ENOENT: 'is in a place where no folder can be created',
  ENOSPC: 'is on a disk that is full',
};
