import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

const EXAMPLE = join(process.cwd(), 'examples', 'voice-agent-python');
const VENV = join(process.cwd(), '.cache', 'voice-agent-python');
const INSTALL_LIMIT_MS = 300_000;
const RUN_LIMIT_MS = 60_000;

/** The output and the exit code of a program. */
interface Ran {
  readonly code: number;
  readonly output: string;
}

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv, limitMs: number): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd: EXAMPLE, env, timeout: limitMs, maxBuffer: 16 << 20 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1) || 1, output: `${out}\n${err}` });
    });
  });
}

/**
 * The test program of SignalWire's Python SDK, in a virtual environment with the pinned requirements of the example.
 * @returns the reason why it cannot run, when Python or the registry of its packages is missing
 */
export async function openSwaigTest(): Promise<
  ((env: Record<string, string>, ...args: string[]) => Promise<Ran>) | string
> {
  const program = join(VENV, 'bin', 'swaig-test');
  if (!existsSync(program)) {
    const made = await run('python3', ['-m', 'venv', VENV], process.env, INSTALL_LIMIT_MS);
    if (made.code !== 0) return 'python3 with venv is missing';
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'];
    const installed = await run(join(VENV, 'bin', 'python'), pip, process.env, INSTALL_LIMIT_MS);
    if (installed.code !== 0) {
      await rm(VENV, { recursive: true, force: true });
      return 'the packages of requirements.txt cannot be installed here';
    }
  }
  return (env, ...args) =>
    run(
      program,
      ['agent.py', ...args],
      { PATH: process.env['PATH'] ?? '', SIGNALWIRE_LOG_MODE: 'off', ...env },
      RUN_LIMIT_MS,
    );
}
