import { mkdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ServiceError } from '@countersign/runtime';
import { findInaccessibleFolder, findPostgresBinaries, type ServerAccount } from './binaries.js';
import { createCluster } from './cluster.js';
import { lockFolder, ownerOf, stopOrphanedServer } from './folder-lock.js';
import { startPostgresServer } from './server.js';
import { installTls, type ServerTls } from './tls.js';

export interface EmbeddedPostgresOptions {
  /**
   * Folder of the cluster, its password and its log; created when it is missing. Only one process may use it at a time.
   */
  readonly dataDir: string;
  /** Port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** False: faster, but a crash of the machine may lose everything; for tests. Default true. */
  readonly durable?: boolean;
  /** Accepts only TLS connections; for tests. Default: no encryption, because nothing leaves this machine. */
  readonly tls?: ServerTls;
}

/** A running server that belongs to this process. */
export interface EmbeddedPostgres {
  /** Connects as superuser; contains the password. */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the server has ended for any reason. */
  readonly exited: Promise<void>;
  /** Closes all connections, shuts the server down and releases the folder. */
  close(): Promise<void>;
}

/**
 * The server that another process runs in a folder.
 * @returns its URL as superuser; undefined if no process uses the folder
 * @throws ServiceError SETTINGS_INVALID when the folder is not accessible; DATABASE_UNAVAILABLE (retriable) while it starts
 */
export async function findRunningPostgres(dataDir: string): Promise<string | undefined> {
  const pid = await ownerOf(dataDir);
  if (pid === undefined) return undefined;
  const cluster = join(dataDir, 'cluster');
  try {
    const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n');
    if (lines[7]?.trim() === 'ready') {
      return urlOf(await readFile(join(dataDir, 'password'), 'utf8'), Number(lines[3]));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw toFault(error);
  }
  throw new ServiceError(
    'DATABASE_UNAVAILABLE',
    `The process ${pid} uses this data folder, and its database is not ready: try again once it is`,
    true,
  );
}

const urlOf = (password: string, port: number): string => `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;

/**
 * Starts PostgreSQL 18 from the packages that npm installed; as root, under the account `nobody`. The server ends with
 * this process even when that is killed. The next start stops a server that remained nevertheless.
 * @throws ServiceError SETTINGS_INVALID: no programs for this platform, or a folder that is in use or inaccessible;
 * DATABASE_UNAVAILABLE: the server does not start, with the reason from its log
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    const dataDir = resolve(options.dataDir);
    await mkdir(dataDir, { recursive: true, mode: 0o755 });
    const lock = await lockFolder(dataDir);
    return await startLocked(dataDir, options, lock.release).catch(async (error: unknown) => {
      await lock.release();
      throw error;
    });
  } catch (error) {
    throw toFault(error);
  }
}

async function startLocked(
  dataDir: string,
  options: EmbeddedPostgresOptions,
  release: () => Promise<void>,
): Promise<EmbeddedPostgres> {
  const cluster = join(dataDir, 'cluster');
  const account = await serverAccount(cluster);
  if (account !== undefined) await requireAccess(dataDir, account);
  const binaries = await findPostgresBinaries(dataDir, account);
  await stopOrphanedServer(cluster);
  const password = await createCluster(dataDir, cluster, binaries, account, options.durable ?? true);
  const tls = options.tls === undefined ? {} : await installTls(cluster, options.tls, account);
  const { port, pid, exited, stop } = await startPostgresServer(dataDir, cluster, binaries, account, options, tls);
  let closing: Promise<void> | undefined;
  return {
    url: urlOf(password, port),
    pid,
    exited,
    close: () => (closing ??= stop().finally(release)),
  };
}

/** Undefined: the server runs as the current user. An existing cluster keeps its owner. */
async function serverAccount(cluster: string): Promise<ServerAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(cluster).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const nobody = passwd
    .split('\n')
    .find((line) => line.startsWith('nobody:'))
    ?.split(':');
  if (nobody !== undefined) return { uid: Number(nobody[2]), gid: Number(nobody[3]) };
  const advice = 'start as another user, or add the account nobody';
  throw new ServiceError('SETTINGS_INVALID', `PostgreSQL does not run as root: ${advice}`, false);
}

async function requireAccess(dataDir: string, account: ServerAccount): Promise<void> {
  const inaccessible = await findInaccessibleFolder(dataDir, account);
  if (inaccessible === undefined) return;
  throw new ServiceError(
    'SETTINGS_INVALID',
    `PostgreSQL does not run as root, and the account ${account.uid}, under which it runs instead, may not enter ` +
      `${inaccessible}: start as another user, choose a data folder elsewhere (DATA_DIR), or chmod o+x that folder`,
    false,
  );
}

/** Translates an error of the file system on the data folder, which an operator chose. */
function toFault(error: unknown): unknown {
  const { code, path } = error as NodeJS.ErrnoException;
  if (error instanceof ServiceError || code === undefined || path === undefined) return error;
  const advice = 'start as the user who created the data folder, or choose another (DATA_DIR)';
  return new ServiceError('SETTINGS_INVALID', `The embedded database cannot use ${path} (${code}): ${advice}`, false);
}
