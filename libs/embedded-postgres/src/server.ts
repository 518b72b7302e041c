import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ServiceError } from '@countersign/runtime';
import { type PostgresBinaries, type ServerAccount } from './binaries.js';

/** Small memory use, only the loopback interface, and a log without statements, rows or parameters. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '64MB',
  huge_pages: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  max_parallel_workers_per_gather: '0',
  // With other values three I/O worker processes run; a cluster of this size fits in memory.
  io_method: 'sync',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // ERROR ranks below LOG here: failed statements, which quote values, are not logged; start and stop of the server
  // are.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_statement: 'none',
  log_min_duration_statement: '-1',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_checkpoints: 'off',
  log_connections: '',
  log_disconnections: 'off',
  log_lock_waits: 'off',
  log_autovacuum_min_duration: '-1',
};
const NOT_DURABLE = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** Enough for recovery after a crash, which replays at most a gigabyte of log (max_wal_size). */
const START_LIMIT_MS = 120_000;
/** Child processes of a killed server need a moment to end, and hold its shared memory until then. */
const START_ATTEMPTS = 10;
const MAX_LOG_BYTES = 10_000_000;

/** A running postmaster. */
export interface PostgresServer {
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts the server on an unused cluster and returns when it accepts connections. Retries when another process took its
 * port, or when child processes of a killed server still hold its memory.
 * @throws ServiceError DATABASE_UNAVAILABLE with the reason from the log of the server
 */
export async function startPostgresServer(
  dataDir: string,
  cluster: string,
  binaries: PostgresBinaries,
  account: ServerAccount | undefined,
  options: { readonly port?: number; readonly durable?: boolean },
  extraSettings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt++) {
    const log = await openLog(join(dataDir, 'server.log'));
    const port = options.port ?? (await freePort());
    const durability = options.durable === false ? NOT_DURABLE : {};
    const settings = { ...SETTINGS, ...durability, ...extraSettings, port: String(port) };
    const args = ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    // A process group of its own: Ctrl-C in a terminal would otherwise stop the server before the services have
    // finished.
    const child = spawn(binaries.postgres, args, {
      ...account,
      env: binaries.env,
      cwd: cluster,
      detached: true,
      stdio: ['ignore', log.file.fd, log.file.fd],
    });
    const exited = new Promise<void>((done) => child.once('error', () => done()).once('exit', () => done()));
    await log.file.close();
    if (child.pid !== undefined && (await isReady(cluster, child, child.pid))) {
      const watcher = watchParent(child.pid, account);
      // Stops the watcher first, because the number of the server may be reused afterwards.
      void exited.then(() => watcher.kill('SIGKILL'));
      // The process can end without `close`; the watcher stops the server then.
      child.unref();
      return { port, pid: child.pid, exited, stop: () => stopServer(child, exited) };
    }
    await stopServer(child, exited);
    const reason = await log.lastFailure();
    if (attempt < START_ATTEMPTS && isTransient(reason, options.port)) {
      await pause(100 * attempt);
      continue;
    }
    const advice = 'fix the cause, or set DATABASE_URL to use a server of your own';
    throw new ServiceError(
      'DATABASE_UNAVAILABLE',
      `The embedded database does not start (${reason}): ${advice}`,
      false,
    );
  }
}

/** Whether a retry can help: a free port can be chosen again, a configured one cannot. */
function isTransient(reason: string, port: number | undefined): boolean {
  return reason.includes('shared memory') || (port === undefined && reason.includes('could not bind'));
}

/** The server writes its state into the last line of `postmaster.pid`. Returns false when it ended or took too long. */
async function isReady(cluster: string, child: ChildProcess, pid: number): Promise<boolean> {
  const deadline = Date.now() + START_LIMIT_MS;
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    if (lines[0] === String(pid) && lines[7]?.trim() === 'ready') return true;
    await pause(10);
  }
  return false;
}

/** SIGINT is the fast shutdown of PostgreSQL: it accepts no connections, rolls back and writes everything. */
async function stopServer(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.ref();
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
  await exited;
}

/** Starts a shell that stops the server when our pipe closes, which also happens when this process is killed. */
function watchParent(pid: number, account: ServerAccount | undefined): ChildProcess {
  const watcher = spawn('/bin/sh', ['-c', `read -r _; kill -INT ${pid}`], {
    ...account,
    env: {},
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without a shell the next start stops the server.
  watcher.on('error', () => undefined);
  watcher.unref();
  const pipe = watcher.stdin as unknown as { unref?: () => void; on(event: 'error', handle: () => void): void } | null;
  pipe?.on('error', () => undefined);
  pipe?.unref?.();
  return watcher;
}

async function openLog(
  path: string,
): Promise<{ file: Awaited<ReturnType<typeof open>>; lastFailure(): Promise<string> }> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size > MAX_LOG_BYTES) await rename(path, `${path}.1`);
  const file = await open(path, 'a', 0o600);
  const before = size > MAX_LOG_BYTES ? 0 : size;
  const lastFailure = async (): Promise<string> => {
    const lines = (await readFile(path)).subarray(before).toString('utf8').trim().split('\n');
    const failures = lines
      .filter((line) => /FATAL|LOG: {2}could not/.test(line))
      .map((line) => line.replace(/^.*?\] /, ''));
    return failures.join('; ') || lines.at(-1) || 'it ended without a log line';
  };
  return { file, lastFailure };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done, fail) => probe.once('error', fail).listen(0, '127.0.0.1', done));
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === 'string') throw new Error('The system assigned no port');
  return address.port;
}
