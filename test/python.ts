import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const INSTALL_LIMIT_MS = 300_000;

/** The output and the exit code of a program. */
export interface Ran {
  readonly code: number;
  readonly output: string;
}

/** @param input for the standard input */
export function run(
  file: string,
  args: readonly string[],
  { cwd = process.cwd(), env = process.env, limitMs = INSTALL_LIMIT_MS, input = '' } = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { cwd, env, timeout: limitMs, maxBuffer: 16 << 20 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1) || 1, output: `${out}\n${err}` });
    });
    // A program that is missing or ends early closes its input.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

/**
 * A virtual environment below `.cache`, with packages of PyPI.
 * @param packages arguments of `pip install`; pinned versions
 * @returns the folder of its programs, or the reason why there is none: Python or the registry of its packages is missing
 */
export async function openPython(
  name: string,
  packages: readonly string[],
): Promise<{ readonly bin: string } | { readonly missing: string }> {
  const venv = join(process.cwd(), '.cache', name);
  const installed = join(venv, 'installed');
  const bin = join(venv, 'bin');
  if (existsSync(installed)) return { bin };
  const made = await run('python3', ['-m', 'venv', venv]);
  if (made.code !== 0) return { missing: 'python3 with venv is missing' };
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages];
  if ((await run(join(bin, 'python'), pip)).code !== 0) {
    await rm(venv, { recursive: true, force: true });
    return { missing: `${packages.join(' ')} cannot be installed here` };
  }
  await writeFile(installed, '');
  return { bin };
}
