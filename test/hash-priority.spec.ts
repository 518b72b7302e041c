import { spawnSync } from 'node:child_process';
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
});
