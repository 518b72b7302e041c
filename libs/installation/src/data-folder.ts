import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ServiceError } from '@countersign/runtime';

/**
 * Makes the data folder where it is missing and proves that it can be written to, before anything is started in it.
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
 * Makes a folder and those above it that are missing. The database below it runs as another user where we are root, so others may
 * enter; what is secret has a folder of its own. Not by `mkdirSync` with `recursive`, which never returns
 * below a folder such as /proc that takes no folder and says that it does not exist.
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
  ENOTDIR: 'is a file, or lies in one',
  EACCES: 'belongs to another user',
  EPERM: 'may not be changed',
  EROFS: 'is on a file system that is read only',
  ENOENT: 'lies where no folder can be made',
  ENOSPC: 'is on a disk that is full',
};
