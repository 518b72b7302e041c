import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventually } from '@countersign/testing';
import { Client } from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.js';

const LIMIT_MS = 60_000;

describe('startEmbeddedPostgres', () => {
  let dataDir: string;
  let running: EmbeddedPostgres | undefined;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'embedded-spec-'));
    await chmod(dataDir, 0o755);
  });

  afterEach(async () => {
    await running?.close();
    running = undefined;
    await rm(dataDir, { recursive: true, force: true });
  });

  it(
    'keeps committed rows after a stop and after a kill',
    async () => {
      running = await startEmbeddedPostgres({ dataDir });
      await ask(running.url, 'CREATE TABLE kept AS SELECT 1 AS n');
      await running.close();

      running = await startEmbeddedPostgres({ dataDir });
      await ask(running.url, 'INSERT INTO kept VALUES (2)');
      process.kill(running.pid, 'SIGKILL');
      await running.exited;
      await running.close();

      running = await startEmbeddedPostgres({ dataDir });
      expect(await ask(running.url, 'SELECT n FROM kept ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }]);
    },
    LIMIT_MS,
  );

  it(
    'accepts only the password, which only the owner of the folder can read',
    async () => {
      running = await startEmbeddedPostgres({ dataDir });
      const { mode, uid } = await stat(join(dataDir, 'password'));
      expect(mode & 0o777).toBe(0o600);
      expect(uid).toBe(process.getuid?.());
      const stranger = new URL(running.url);
      stranger.password = 'guessed';
      await expect(ask(stranger.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
      const settings = `SELECT current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding,
        current_setting('listen_addresses') AS address`;
      expect(await ask(running.url, settings)).toEqual([{ fsync: 'on', encoding: 'UTF8', address: '127.0.0.1' }]);
    },
    LIMIT_MS,
  );

  it(
    'does not log values of failed statements',
    async () => {
      running = await startEmbeddedPostgres({ dataDir });
      const url = running.url;
      await expect(ask(url, 'SELECT $1::text::int', ['4711081518x'])).rejects.toThrow();
      await ask(url, 'CREATE TABLE once (pin text PRIMARY KEY)');
      await ask(url, 'INSERT INTO once VALUES ($1)', ['90817263545']);
      await expect(ask(url, 'INSERT INTO once VALUES ($1)', ['90817263545'])).rejects.toThrow();
      await running.close();
      const log = await readFile(join(dataDir, 'server.log'), 'utf8');
      expect(log).toMatch(/database system is ready/);
      expect(log).not.toMatch(/4711081518|90817263545/);
    },
    LIMIT_MS,
  );

  it(
    'rejects a folder that a running process uses, and names the process',
    async () => {
      running = await startEmbeddedPostgres({ dataDir });
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
        code: 'SETTINGS_INVALID',
        message: expect.stringContaining(String(process.pid)) as string,
      });
      expect(await ask(running.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    },
    LIMIT_MS,
  );

  it(
    'starts only one of two servers that start at once on a new folder',
    async () => {
      const starts = await Promise.allSettled([startEmbeddedPostgres({ dataDir }), startEmbeddedPostgres({ dataDir })]);
      for (const start of starts) if (start.status === 'fulfilled') running = start.value;
      expect(starts.filter((start) => start.status === 'fulfilled')).toHaveLength(1);
      expect(starts.find((start) => start.status === 'rejected')?.reason).toMatchObject({ code: 'SETTINGS_INVALID' });
    },
    LIMIT_MS,
  );

  it(
    'starts when the number in the pid file belongs to another program',
    async () => {
      running = await startEmbeddedPostgres({ dataDir });
      process.kill(running.pid, 'SIGKILL');
      await running.exited;
      await running.close();
      const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      try {
        const file = join(dataDir, 'cluster', 'postmaster.pid');
        const lines = (await readFile(file, 'utf8')).split('\n');
        await writeFile(file, [String(other.pid), ...lines.slice(1)].join('\n'));
        running = await startEmbeddedPostgres({ dataDir });
        expect(await ask(running.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
        expect(other.exitCode).toBeNull();
      } finally {
        other.kill('SIGKILL');
      }
    },
    LIMIT_MS,
  );

  it(
    'starts after an earlier start was interrupted',
    async () => {
      await mkdir(join(dataDir, 'cluster.unfinished', 'base'), { recursive: true });
      running = await startEmbeddedPostgres({ dataDir });
      expect(await ask(running.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    },
    LIMIT_MS,
  );

  it(
    'ends the server when the process that started it is killed',
    async () => {
      const parent = await startInAnotherProcess(dataDir);
      parent.process.kill('SIGKILL');
      await eventually('the server ends with its parent', () => !isAlive(parent.server));
      running = await startEmbeddedPostgres({ dataDir });
      expect(await ask(running.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    },
    LIMIT_MS,
  );

  it(
    'stops the server of a killed process when its watcher was killed too',
    async () => {
      const parent = await startInAnotherProcess(dataDir, 'without-watcher');
      parent.process.kill('SIGKILL');
      await eventually('the parent is gone', () => !isAlive(parent.process.pid ?? 0));
      expect(isAlive(parent.server)).toBe(true);
      running = await startEmbeddedPostgres({ dataDir });
      expect(isAlive(parent.server)).toBe(false);
      expect(await ask(running.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    },
    LIMIT_MS,
  );

  const asRoot = process.getuid?.() === 0 ? it : it.skip;

  asRoot('says which folder keeps the unprivileged account out', async () => {
    await chmod(dataDir, 0o700);
    await expect(startEmbeddedPostgres({ dataDir: join(dataDir, 'deep') })).rejects.toMatchObject({
      code: 'SETTINGS_INVALID',
      message: expect.stringMatching(new RegExp(`may not enter ${dataDir}:.*chmod o\\+x`)) as string,
    });
  });

  asRoot(
    'runs as an ordinary user as well as under root',
    async () => {
      await chmod(dataDir, 0o777);
      const parent = await startInAnotherProcess(join(dataDir, 'own'), 'as-nobody');
      expect((await stat(join(dataDir, 'own', 'cluster'))).uid).toBe(NOBODY);
      parent.process.kill('SIGTERM');
      await eventually('the server ends with its parent', () => !isAlive(parent.server));
    },
    LIMIT_MS,
  );
});

const NOBODY = 65_534;

async function ask(url: string, sql: string, params: unknown[] = []): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, params)).rows;
  } finally {
    await client.end();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts the server in a separate Node process that can be killed; the process compiles the libraries while loading.
 */
async function startInAnotherProcess(
  dataDir: string,
  mode: 'plain' | 'without-watcher' | 'as-nobody' = 'plain',
): Promise<{ process: ChildProcess; server: number }> {
  const root = resolve(createRequire(import.meta.url).resolve('embedded-postgres'), '../../../..');
  const swc = pathToFileURL(createRequire(import.meta.url).resolve('@swc/core')).href;
  const hooks = `
    import { readFileSync } from 'node:fs';
    import swc from '${swc}';
    const libs = '${pathToFileURL(join(root, 'libs')).href}';
    export function resolve(name, context, next) {
      if (name.startsWith('@countersign/')) return { url: libs + '/' + name.slice(13) + '/src/index.ts', shortCircuit: true };
      if (name.startsWith('.') && context.parentURL?.startsWith(libs))
        return { url: new URL(name.replace(/js$/, 'ts'), context.parentURL).href, shortCircuit: true };
      return next(name, context);
    }
    export function load(url, context, next) {
      if (!url.startsWith(libs)) return next(url, context);
      const options = { cwd: '${root}', swcrc: true, filename: new URL(url).pathname };
      const { code } = swc.transformSync(readFileSync(new URL(url), 'utf8'), options);
      return { format: 'module', source: code, shortCircuit: true };
    }`;
  const program = `
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
    await import('${pathToFileURL(join(root, 'node_modules/reflect-metadata/Reflect.js')).href}');
    const { startEmbeddedPostgres } = await import('@countersign/embedded-postgres');
    const { pid } = await startEmbeddedPostgres({ dataDir: '${dataDir}', durable: false });
    process.stdout.write('pid ' + pid + ' ');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(mode === 'as-nobody' ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  await eventually(
    'the other process has started the server',
    () => /pid \d+ /.test(output) || child.exitCode !== null,
  );
  const server = Number(/pid (\d+) /.exec(output)?.[1]);
  if (!(server > 0)) throw new Error(`The other process did not start the server: ${output}`);
  if (mode === 'without-watcher') await killWatchers(child.pid ?? 0);
  return { process: child, server };
}

/** Kills the shell children of a process, as an operator might. */
async function killWatchers(parent: number): Promise<void> {
  const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8');
  for (const pid of children.trim().split(' ').map(Number)) {
    if (/^\/bin\/sh/.test(await readFile(`/proc/${pid}/cmdline`, 'utf8'))) process.kill(pid, 'SIGKILL');
  }
}
