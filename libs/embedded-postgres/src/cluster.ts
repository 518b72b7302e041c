import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServiceError } from '@countersign/runtime';
import { type PostgresBinaries, type ServerAccount } from './binaries.js';

/**
 * Creates the cluster unless it exists, and renames it when complete, so that an interrupted start leaves none.
 * @returns the password of the superuser
 */
export async function createCluster(
  dataDir: string,
  cluster: string,
  binaries: PostgresBinaries,
  account: ServerAccount | undefined,
  durable: boolean,
): Promise<string> {
  const passwordFile = join(dataDir, 'password');
  if (await stat(cluster).catch(() => undefined)) return readFile(passwordFile, 'utf8');
  const password = randomBytes(24).toString('base64url');
  await writeFile(passwordFile, password, { mode: 0o600 });
  const unfinished = join(dataDir, 'cluster.unfinished');
  const passwordForInit = join(dataDir, 'password.unfinished');
  for (const path of [unfinished, passwordForInit]) await rm(path, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeFile(passwordForInit, password, { mode: 0o600 });
  if (account !== undefined) {
    for (const path of [unfinished, passwordForInit]) await chown(path, account.uid, account.gid);
  }
  try {
    // One SCRAM iteration: more iterations slow down guessing, which is hopeless against 192 bits, and cost CPU at
    // every connection.
    await run(binaries.initdb, initArguments(unfinished, passwordForInit, durable), binaries, account);
  } finally {
    await rm(passwordForInit, { force: true });
  }
  await rename(unfinished, cluster);
  return password;
}

function initArguments(folder: string, passwordFile: string, durable: boolean): string[] {
  const access = [
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '-c',
    'scram_iterations=1',
  ];
  const text = ['--encoding=UTF8', '--locale=C', '--no-instructions', '-c', 'timezone=UTC', '-c', 'log_timezone=UTC'];
  return ['-D', folder, ...access, ...text, ...(durable ? [] : ['--no-sync'])];
}

async function run(
  program: string,
  args: string[],
  binaries: PostgresBinaries,
  account?: ServerAccount,
): Promise<void> {
  const child = spawn(program, args, { ...account, env: binaries.env, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
  let errorOutput = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errorOutput = (errorOutput + text).slice(-500)));
  const code = await new Promise<number | null>((done, fail) => child.on('error', fail).on('close', done)).catch(
    (error: unknown) => error as Error,
  );
  if (code === 0) return;
  const reason = code instanceof Error ? code.message : errorOutput.trim();
  throw new ServiceError('DATABASE_UNAVAILABLE', `The database could not be created: ${reason}`, false);
}
