import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';
import { processorUse, usedBetween, type ProcessorUse } from './processor-time.js';

/** Hashes in the pool of threads, and computes in the event loop, until it is ended. */
const PROGRAM = `
const { pbkdf2 } = require('node:crypto');
const hash = () => pbkdf2('a', 'b', 20000, 32, 'sha256', hash);
setInterval(() => { for (const end = Date.now() + 5; Date.now() < end;); }, 10);
hash();
process.stdout.write('ready');
`;
const onLinux = process.platform === 'linux' ? it : it.skip;

describe('the processor time of a process', () => {
  onLinux('is divided into event loop, threads that hash and other threads', async () => {
    const program = spawn(process.execPath, ['--require', join(process.cwd(), 'tools', 'process.cjs'), '-e', PROGRAM]);
    try {
      await once(program.stdout, 'data');
      const pid = program.pid ?? NaN;
      const before = processorUse(pid) as ProcessorUse;
      const used = await eventually('both kinds of threads have worked', () => {
        const use = usedBetween(before, processorUse(pid) as ProcessorUse);
        return Promise.resolve(use.mainThreadMs >= 50 && use.hashThreadsMs >= 50 ? use : undefined);
      });
      // Each of the threads is read in ticks of 10 ms, and shortly before or after the whole.
      const sum = used.mainThreadMs + used.hashThreadsMs + used.otherThreadsMs;
      expect(Math.abs(used.ms - sum)).toBeLessThan(used.ms / 2);
      expect(used.waits).toBeGreaterThan(0);
    } finally {
      program.kill('SIGKILL');
      await once(program, 'exit');
    }
  });

  onLinux('is 0 for a process that does not exist', () => {
    expect(processorUse(2 ** 31 - 1)?.ms).toBe(0);
  });
});
