import { type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnNode } from './lifetime.js';

/** The folder of the build: this file runs from there. */
const DIST = dirname(dirname(fileURLToPath(import.meta.url)));
const TOOLS = join(dirname(DIST), 'tools');
/** The flags and the preload with which `npm run service` and the image start a service. */
const SET_UP = [
  ...(createRequire(import.meta.url)(join(TOOLS, 'node-flags.cjs')) as string[]),
  '--require',
  join(TOOLS, 'process.cjs'),
];
const READY_WITHIN_MS = 60_000;

/** Runs a bench program to its end and reads the JSON that it prints. */
export async function measure<T>(program: string, args: readonly (string | number)[], input = ''): Promise<T> {
  const child = spawnNode([join(DIST, 'bench', program), ...args.map(String)], { stdin: 'pipe' });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (output += part));
  child.stdin?.end(input);
  // Comes after `exit`, when the whole output was read.
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}`);
  return JSON.parse(output) as T;
}

export interface Running {
  readonly pid: number;
  readonly urls: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * Starts an app as a process of its own with the Node flags of this one (`node --cpu-prof …`), and waits for its line
 * `ready`, which names its addresses.
 * @param program a path in the build that replaces the app's own main file
 */
export async function startApp(
  app: string,
  env: Record<string, string>,
  logFile: string,
  program = join('apps', app, 'src', 'main.js'),
): Promise<Running> {
  const child = spawnNode([...process.execArgv, ...SET_UP, join(DIST, program)], {
    env: { ...process.env, ...env },
    stderr: 'pipe',
  });
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
    });
  try {
    return { pid: child.pid ?? 0, urls: await ready(child, app), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function ready(child: ChildProcess, app: string): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const limit = setTimeout(() => reject(new Error(`${app} was not ready in time`)), READY_WITHIN_MS);
    child.once('exit', (code) => reject(new Error(`${app} ended with ${String(code)}: ${seen.slice(-500)}`)));
    const look = (part: Buffer): void => {
      seen += part.toString();
      const urls = /"urls":(\{[^}]*\})[^\n]*"ready"/.exec(seen)?.[1] ?? wordsToJson(/^ready (.*)$/m.exec(seen)?.[1]);
      if (urls === undefined) return;
      clearTimeout(limit);
      child.stdout?.off('data', look);
      resolve(JSON.parse(urls) as Record<string, string>);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', (part: Buffer) => (seen += part.toString()));
  });
}

/** `swaig=http://… rest=http://…` as JSON. */
function wordsToJson(words: string | undefined): string | undefined {
  if (words === undefined) return undefined;
  return JSON.stringify(
    Object.fromEntries(
      words
        .trim()
        .split(' ')
        .map((word) => word.split(/=(.*)/).slice(0, 2)),
    ),
  );
}
