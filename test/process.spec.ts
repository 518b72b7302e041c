import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

/** Starts a process as a service is started, uses the pool, and prints how many of its threads have the lower priority. */
const PROGRAM = `
const { readdirSync, readFileSync } = require('node:fs');
require('node:crypto').randomBytes(8, () => {
  const niceOf = (thread) => readFileSync('/proc/self/task/' + thread + '/stat', 'utf8').split(') ')[1].split(' ')[16];
  console.log(readdirSync('/proc/self/task').filter((thread) => niceOf(thread) === '10').length);
});`;

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('the process of a service', () => {
  onLinux('runs hashes at a lower priority than everything else', () => {
    const setUp = join(process.cwd(), 'tools', 'process.cjs');
    const env = { ...process.env, UV_THREADPOOL_SIZE: '3' };
    const { stdout } = spawnSync(process.execPath, ['--require', setUp, '-e', PROGRAM], { env, encoding: 'utf8' });
    expect(stdout.trim()).toBe('3');
  });

  it('lets Node read the compiled code of its own modules instead of compiling them', () => {
    const program = `require('node:http2');
      const { compiledWithoutCache } = require('internal/test/binding').internalBinding('builtins').getCacheUsage();
      console.log([...compiledWithoutCache].join());`;
    const flags = createRequire(import.meta.url)('../tools/node-flags.cjs') as string[];
    const setUp = ['--require', join(process.cwd(), 'tools', 'process.cjs')];
    const { stdout } = spawnSync(process.execPath, [...flags, '--expose-internals', ...setUp, '-e', program]);
    expect(stdout.toString()).toBe('\n');
  });

  it('has the same flags however it is started', () => {
    const flags = createRequire(import.meta.url)('../tools/node-flags.cjs') as string[];
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    for (const name of ['start', 'dev', 'service']) expect(scripts[name]).toContain(`node ${flags.join(' ')} tools/`);
    const entry = `ENTRYPOINT ["node", ${flags.map((flag) => `"${flag}", `).join('')}"--require"`;
    expect(readFileSync('Dockerfile', 'utf8')).toContain(entry);
  });
});

describe('a worker of jest', () => {
  it('disables the async storages of a test file when it begins the next one, again and again', () => {
    const program = `
      import { AsyncLocalStorage } from 'node:async_hooks';
      const values = [];
      const storages = [];
      for (const file of [1, 2, 3]) {
        await import(process.env.SET_UP + '?file=' + file);
        values.push(storages.map((storage) => storage.getStore() ?? 'none'));
        const storage = new AsyncLocalStorage();
        storage.enterWith(file);
        storages.push(storage);
      }
      console.log(JSON.stringify(values));`;
    const env = { ...process.env, SET_UP: join(process.cwd(), 'tools', 'jest', 'end-async-storages.mjs') };
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' });
    expect(JSON.parse(stdout)).toEqual([[], ['none'], ['none', 'none']]);
  });
});

/** Files of a control group, by path. */
type Files = Readonly<Record<string, string>>;

const { allowedProcessors } = createRequire(import.meta.url)('../tools/processors.cjs') as {
  allowedProcessors: (cores: number, read: (path: string) => string) => number;
};
const allowed = (files: Files, cores = 8): number =>
  allowedProcessors(cores, (path) => {
    const text = files[path];
    if (text === undefined) throw new Error('ENOENT');
    return text;
  });

describe('the number of processors that a process may use', () => {
  const OWN = { '/proc/self/cgroup': '0::/pods/verification\n' };

  it.each<[string, Files, number]>([
    ['all, without a control group', {}, 8],
    ['all, without a quota', { ...OWN, '/sys/fs/cgroup/pods/verification/cpu.max': 'max 100000\n' }, 8],
    ['the quota of its control group', { ...OWN, '/sys/fs/cgroup/pods/verification/cpu.max': '200000 100000\n' }, 2],
    ['the quota of a parent', { ...OWN, '/sys/fs/cgroup/pods/cpu.max': '300000 100000\n' }, 3],
    ['the quota inside a container', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '50000 100000' }, 1],
    ['a part of one more as a whole', { '/sys/fs/cgroup/cpu.max': '150000 100000' }, 2],
    ['no more than there are', { '/sys/fs/cgroup/cpu.max': '6400000 100000' }, 8],
    [
      'the quota of version 1',
      {
        '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '400000',
        '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
      },
      4,
    ],
    [
      'all, without a quota of version 1',
      { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' },
      8,
    ],
  ])('is %s', (_, files, expected) => {
    expect(allowed(files)).toBe(expected);
  });
});
