import { join } from 'node:path';
import { openPython, run, type Ran } from './python.js';

const EXAMPLE = join(process.cwd(), 'examples', 'voice-agent-python');
const RUN_LIMIT_MS = 60_000;

/**
 * The test program of SignalWire's Python SDK, in a virtual environment with the pinned requirements of the example.
 * @returns the reason why it cannot run, when Python or the registry of its packages is missing
 */
export async function openSwaigTest(): Promise<
  ((env: Record<string, string>, ...args: string[]) => Promise<Ran>) | string
> {
  const python = await openPython('voice-agent-python', ['-r', join(EXAMPLE, 'requirements.txt')]);
  if ('missing' in python) return python.missing;
  return (env, ...args) =>
    run(join(python.bin, 'swaig-test'), ['agent.py', ...args], {
      cwd: EXAMPLE,
      env: { PATH: process.env['PATH'] ?? '', SIGNALWIRE_LOG_MODE: 'off', ...env },
      limitMs: RUN_LIMIT_MS,
    });
}
