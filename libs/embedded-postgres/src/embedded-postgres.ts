import { mkdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ServiceError } from '@countersign/runtime';
import { createPrivateFolder, findPostgresBinaries, type ServerAccount } from './binaries.js';
import { createCluster } from './cluster.js';
import { lockFolder, stopOrphanedServer } from './folder-lock.js';
import { startPostgresServer } from './server.js';
import { installTls, type ServerTls } from './tls.js';

export interface EmbeddedPostgresOptions {
  /** Folder of the cluster, its password and its log; made when it is missing. One process at a time. */
  readonly dataDir: string;
  /** Port on 127.0.0.1. Default: one that is free. */
  readonly port?: number;
  /** False: faster, and a crash of the machine may lose everything; for tests. Default true. */
  readonly durable?: boolean;
  /** Admits connections over TLS alone; for tests. Default: nothing leaves this machine, and nothing is encrypted. */
  readonly tls?: ServerTls;
}

/** A running server of this process's own. */
export interface EmbeddedPostgres {
  /** Connects as superuser; holds the password. */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Disconnects everybody, ends the server in good order and frees the folder. */
  close(): Promise<void>;
}

/**
 * Starts PostgreSQL 18 from the packages that npm installed; as root, under the account `nobody`. It ends with this
 * process even when that is killed, and what was left behind nevertheless is stopped by the next start.
 * @throws ServiceError SETTINGS_INVALID: no programs for this platform, a folder in use or out of reach;
 * DATABASE_UNAVAILABLE: the server does not start, and its log says why
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
    throw explain(error);
  }
}

async function startLocked(
  dataDir: string,
  options: EmbeddedPostgresOptions,
  release: () => Promise<void>,
): Promise<EmbeddedPostgres> {
  const cluster = join(dataDir, 'cluster');
  const account = await serverAccount(cluster);
  if (account !== undefined) await requireReach(dataDir, account);
  const binaries = await findPostgresBinaries(dataDir, account);
  await stopOrphanedServer(cluster);
  const password = await createCluster(dataDir, cluster, binaries, account, options.durable ?? true);
  const tls = options.tls === undefined ? {} : await installTls(cluster, options.tls, account);
  const { port, pid, exited, stop } = await startPostgresServer(dataDir, cluster, binaries, account, options, tls);
  let closing: Promise<void> | undefined;
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    pid,
    exited,
    close: () => (closing ??= stop().finally(release)),
  };
}

/** Undefined: the server runs as we do. An old cluster keeps its owner. */
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

async function requireReach(dataDir: string, account: ServerAccount): Promise<void> {
  const closed = await createPrivateFolder(dataDir, account);
  if (closed === undefined) return;
  throw new ServiceError(
    'SETTINGS_INVALID',
    `PostgreSQL does not run as root, and the account ${account.uid}, under which it runs instead, may not enter ` +
      `${closed}: start as another user, choose a data folder elsewhere (DATA_DIR), or chmod o+x that folder`,
    false,
  );
}

/** A refusal of the file system, on a folder that an operator chose. */
function explain(error: unknown): unknown {
  const { code, path } = error as NodeJS.ErrnoException;
  if (error instanceof ServiceError || code === undefined || path === undefined) return error;
  const advice = 'start as the user who made the data folder, or choose another (DATA_DIR)';
  return new ServiceError('SETTINGS_INVALID', `The embedded database cannot use ${path} (${code}): ${advice}`, false);
}
