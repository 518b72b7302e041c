import { spawn, type ChildProcess } from 'node:child_process';
import { type EventEmitter } from 'node:events';
import { type Duplex } from 'node:stream';
import { say } from './report.js';

/** How often a bench checks that the process that started it still runs, in milliseconds. */
const PARENT_CHECK_MS = 1_000;
/** Exit codes, as a shell reports the signals. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
const PARENT_ENDED = 1;

/**
 * The shell becomes the program (`exec`), so the process id is that of the program. A second process reads a pipe of this
 * process: it closes when this process ends for any reason, also by SIGKILL, and then the program gets SIGTERM.
 */
const WITH_PARENT = '(cat <&3; kill $$) >/dev/null 2>&1 & exec "$@" 3<&-';

export interface ChildOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly stdin?: 'pipe' | 'ignore';
  readonly stderr?: 'pipe' | 'inherit';
}

/** Starts Node with these arguments as a process that ends with this one. */
export function spawnNode(args: readonly string[], options: ChildOptions = {}): ChildProcess {
  const { env = process.env, stdin = 'ignore', stderr = 'inherit' } = options;
  const child = spawn('/bin/sh', ['-c', WITH_PARENT, 'sh', process.execPath, ...args], {
    env,
    stdio: [stdin, 'pipe', stderr, 'pipe'],
  });
  const parentPipe = child.stdio[3] as Duplex;
  parentPipe.on('error', () => undefined);
  // Its reader would otherwise stay, and later signal another process with the same id.
  child.once('exit', () => parentPipe.destroy());
  return child;
}

type Close = () => Promise<void>;

/** What the works in progress have opened. */
const opened = new Set<Close>();
let isEnding = false;

/**
 * Runs `work`, then closes what it has opened, the last first: also after an error, and after a signal (see
 * {@link endWithSignals}).
 * @param work gets a function that takes how to close what was just opened
 */
export async function closingAll(work: (onClose: (close: Close) => void) => Promise<void>): Promise<void> {
  const closers: Close[] = [];
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    for (const close of closers.reverse()) await close().catch((error: unknown) => say(String(error)));
  };
  const close = (): Promise<void> => (closing ??= closeAll());
  opened.add(close);
  try {
    await work((one) => closers.push(one));
  } finally {
    await close();
    opened.delete(close);
    // What failed because everything was closed is no result. The signal ends the process.
    if (isEnding) await new Promise(() => undefined);
  }
}

/** The part of `process` that {@link endWithSignals} uses. */
export type EndingProcess = Pick<EventEmitter, 'on'> & {
  readonly ppid: number;
  readonly exit: (code: number) => void;
};

/**
 * Ends this process on SIGTERM and SIGINT, and when the process that started it has ended, after everything that is open
 * in {@link closingAll} was closed. A second signal ends it at once; its children end then by themselves.
 */
export function endWithSignals(self: EndingProcess = process): void {
  const end = async (code: number): Promise<void> => {
    clearInterval(check);
    if (isEnding) return self.exit(code);
    isEnding = true;
    await Promise.all([...opened].map((close) => close()));
    self.exit(code);
  };
  const parent = self.ppid;
  const check = setInterval(() => {
    if (self.ppid !== parent) void end(PARENT_ENDED);
  }, PARENT_CHECK_MS).unref();
  for (const [signal, code] of Object.entries(EXIT_CODES)) self.on(signal, () => void end(code));
}
