import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '@countersign/testing';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** As `npm run service` and the image start it. */
const SET_UP = [
  ...(createRequire(import.meta.url)('../tools/node-flags.cjs') as string[]),
  '--require',
  join(root, 'tools', 'process.cjs'),
];

const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 30_000;

/** How a process ended. */
export interface Ended {
  readonly program: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds since the signal that stopped it; 0 when it ended on its own. */
  readonly afterMs: number;
}

/** One app of the build as a process of its own; everything that it prints is kept. */
export class Program {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #output = '';
  #end: Ended | undefined;
  #hasEnded = false;
  #signalled: number | undefined;

  private constructor(
    readonly name: string,
    env: Readonly<Record<string, string>>,
  ) {
    const main = join(root, 'dist', 'bin', `${name}.js`);
    // Only these variables: other settings in the environment of the test run must not reach the product.
    const inherited = Object.fromEntries(['PATH', 'HOME', 'TMPDIR'].map((key) => [key, process.env[key]]));
    this.#child = spawn(process.execPath, [...SET_UP, main], {
      cwd: root,
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      // `close` comes after `exit`, when all output has been read.
      this.#child.once('close', (code, signal) => {
        this.#hasEnded = true;
        const afterMs = this.#signalled === undefined ? 0 : Date.now() - this.#signalled;
        resolve((this.#end = { program: name, code, signal, afterMs }));
      });
    });
    this.ended.catch(() => (this.#hasEnded = true));
  }

  static start(name: string, env: Readonly<Record<string, string>>): Program {
    return new Program(name, env);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How it ended; undefined while it runs. */
  get end(): Ended | undefined {
    return this.#end;
  }

  get running(): boolean {
    return !this.#hasEnded;
  }

  /** Everything that was printed so far, on both streams. */
  get output(): string {
    return this.#output;
  }

  /**
   * The addresses that the program names when it is ready.
   * @throws Error with its output when it ends before, or takes longer than a minute and a half
   */
  async ready(): Promise<Readonly<Record<string, string>>> {
    const urls = await eventually(
      `${this.name} is ready`,
      () => {
        if (!this.running) throw new Error(`${this.name} ended before it was ready:\n${this.#output.slice(-4000)}`);
        return readyUrls(this.#output);
      },
      START_LIMIT_MS,
    ).catch((error: unknown) => {
      if (this.running) throw new Error(`${(error as Error).message}:\n${this.#output.slice(-4000)}`, { cause: error });
      throw error;
    });
    return urls;
  }

  signal(signal: NodeJS.Signals): void {
    this.#signalled ??= Date.now();
    this.#child.kill(signal);
  }

  /** Stops the program, and kills it when it has not ended after 30 seconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    if (this.running) this.signal(signal);
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    return this.ended.finally(() => clearTimeout(limit));
  }
}

/** Reads both forms: the line of the all-in-one product, and the log line of a separate service. */
function readyUrls(output: string): Record<string, string> | undefined {
  for (const line of output.split('\n').slice(0, -1)) {
    if (line.startsWith('ready ')) {
      return Object.fromEntries(
        line
          .split(' ')
          .slice(1)
          .map((pair) => pair.split('=') as [string, string]),
      );
    }
    if (line.startsWith('{') && line.includes('"msg":"ready"')) {
      return (JSON.parse(line) as { urls: Record<string, string> }).urls;
    }
  }
  return undefined;
}
