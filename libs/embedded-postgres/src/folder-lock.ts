import { randomUUID } from 'node:crypto';
import { link, readFile, readlink, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import { ServiceError } from '@countersign/runtime';

const STOP_LIMIT_MS = 30_000;

/**
 * Reserves the folder for this process until `release`. Takes over the lock of a dead process.
 * @throws ServiceError SETTINGS_INVALID when another process, or this one, uses it
 */
export async function lockFolder(folder: string): Promise<{ readonly release: () => Promise<void> }> {
  const file = join(folder, 'owner');
  const draft = join(folder, `owner.${process.pid}.${randomUUID()}`);
  try {
    // Written to a temporary name and linked: the lock appears complete or not at all, and only one of two processes
    // can create it.
    await writeFile(draft, `${process.pid} ${(await startTimeOf(process.pid)) ?? ''}`, { mode: 0o600 });
    while (!(await createLink(draft, file))) await removeLockOfDeadProcess(file);
  } finally {
    await rm(draft, { force: true });
  }
  return { release: () => rm(file, { force: true }) };
}

/** The process that uses a folder now; undefined if none does. */
export async function ownerOf(folder: string): Promise<number | undefined> {
  const [pid, start] = (await readFile(join(folder, 'owner'), 'utf8').catch(() => '')).split(' ');
  return (await isRunning(Number(pid), start)) ? Number(pid) : undefined;
}

/** Renames the lock before it is deleted, because another process may have replaced it by its own since it was read. */
async function removeLockOfDeadProcess(file: string): Promise<void> {
  const owner = await readFile(file, 'utf8').catch(() => '');
  const [pid, start] = owner.split(' ');
  if (await isRunning(Number(pid), start)) throw inUse(Number(pid));
  const aside = `${file}.${process.pid}.dead`;
  if (
    !(await rename(file, aside).then(
      () => true,
      () => false,
    ))
  )
    return;
  if ((await readFile(aside, 'utf8')) !== owner) await createLink(aside, file);
  await rm(aside, { force: true });
}

/**
 * Stops a server on this cluster that outlived its parent, and corrects `postmaster.pid` when its number belongs to
 * another program now. The caller holds the lock of the folder.
 * @throws ServiceError DATABASE_UNAVAILABLE (retriable) when the old server does not end within 30 s
 */
export async function stopOrphanedServer(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined) return;
  const lines = content.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid < 1 || !isAlive(pid)) return;
  if (await isServerOf(pid, cluster)) {
    process.kill(pid, 'SIGINT');
    const deadline = Date.now() + STOP_LIMIT_MS;
    while (isAlive(pid)) {
      if (Date.now() > deadline) {
        const advice = 'wait for it, or stop it with kill -QUIT';
        throw new ServiceError(
          'DATABASE_UNAVAILABLE',
          `The server ${pid} of an earlier run ends slowly: ${advice}`,
          true,
        );
      }
      await pause(10);
    }
    return;
  }
  // PostgreSQL would refuse to start, because it only sees that the number is alive. It ignores the number of its own
  // parent, and then checks that no shared memory of the old server is in use. So the file is kept, with our number.
  await writeFile(file, [String(process.pid), ...lines.slice(1)].join('\n'));
}

/** Whether a process with this number exists, for any owner. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function isRunning(pid: number, start: string | undefined): Promise<boolean> {
  if (!Number.isInteger(pid) || pid < 1 || !isAlive(pid)) return false;
  const now = await startTimeOf(pid);
  return now === undefined || start === undefined || start === '' || now === start;
}

/** Start of a process in ticks since boot, where the system shows it: containers reuse the same process numbers. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name in brackets can contain spaces; the start is field 22, the 20th after it (proc(5)).
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

/** A server runs in the folder of its cluster. Where the system does not show that, its command line contains it. */
async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (process.platform === 'linux')
    return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === (await realpath(cluster));
  const { stdout } = await promisify(execFile)('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.includes(cluster);
}

async function createLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function inUse(pid: number): ServiceError {
  const advice = 'stop it first, or give this one a data folder of its own (DATA_DIR)';
  return new ServiceError('SETTINGS_INVALID', `The process ${pid} already runs on this data folder: ${advice}`, false);
}
