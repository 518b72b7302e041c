import { type Environment } from './settings.js';
import { ServiceError } from './service-error.js';

/** A started service. */
export interface RunningService {
  readonly name: string;
  /** Where it can be reached over HTTP, by purpose (`swaig`, `rest`, `audit`, `ops`). */
  readonly urls: Readonly<Record<string, string>>;
  /** Stops taking work, finishes what is in flight, lets go of everything. Safe to call twice. */
  close(): Promise<void>;
}

/** Longest orderly stop; after it the process ends with code 1. Less than the 30 s that Kubernetes gives. */
const STOP_LIMIT_MS = 25_000;

/** How long a start waits for a broker and a database that are not there yet: services start in any order. */
const START_LIMIT_MS = 60_000;
const START_PAUSE_MS = 1_000;
/** Pause between two lines about the same thing that a start waits for. */
const START_REPORT_MS = 5_000;
/** How long a start that was interrupted may take to release what it holds. */
const START_STOP_LIMIT_MS = 10_000;

/**
 * Runs a service as this process: starts it, stops it on SIGTERM and SIGINT, and ends with a code that says how it went.
 * @param env the environment of the process: `process.env`, which only main.ts may read
 * @param start gets `fatal`, to be called when the service broke in a way that only a restart mends
 */
export async function runProcess(
  env: Environment,
  start: (env: Environment, fatal: (error: Error) => void) => Promise<RunningService>,
): Promise<void> {
  let service: RunningService | undefined;
  let starting: Promise<unknown> | undefined;
  let stopping = false;
  const stop = (code: number): void => {
    if (stopping) {
      // A second signal while nothing is served yet: whoever sent it does not want to wait.
      if (service === undefined) process.exit(1);
      return;
    }
    stopping = true;
    // A start that is still waiting for something loses nothing when it is cut off.
    if (service === undefined) setTimeout(() => process.exit(code), START_STOP_LIMIT_MS);
    else setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    const ended = service?.close() ?? starting?.then(() => service?.close()).catch(() => undefined);
    void (ended ?? Promise.resolve()).then(
      () => process.exit(code),
      (error: unknown) => {
        report(error);
        process.exit(1);
      },
    );
  };
  const fatal = (error: Error): void => {
    report(error);
    stop(1);
  };
  process.on('SIGTERM', () => stop(0));
  process.on('SIGINT', () => stop(0));
  process.on('unhandledRejection', (error) => fatal(error as Error));
  process.on('uncaughtException', fatal);
  try {
    const begun = startPatiently(
      () => start(env, fatal),
      () => stopping,
    ).then((started) => (service = started));
    starting = begun;
    await begun;
  } catch (error) {
    // A start that was interrupted fails, which is no news.
    if (stopping) return;
    report(error);
    process.exit(1);
  }
}

/** Starts again while what it needs is not there yet; a start that failed has let go of everything. */
async function startPatiently(
  start: () => Promise<RunningService>,
  givenUp: () => boolean,
): Promise<RunningService | undefined> {
  const deadline = Date.now() + START_LIMIT_MS;
  let reported = { message: '', at: 0 };
  for (;;) {
    try {
      return await start();
    } catch (error) {
      const worthWaiting = error instanceof ServiceError && error.retriable && Date.now() < deadline;
      if (givenUp()) return undefined;
      if (!worthWaiting) throw error;
      const { message } = error;
      if (message !== reported.message || Date.now() - reported.at >= START_REPORT_MS) {
        process.stderr.write(`${message}; waiting for it\n`);
        reported = { message, at: Date.now() };
      }
      await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
    }
  }
}

/** Only what is ours is printed whole: a foreign error can carry input. */
function report(error: unknown): void {
  if (error instanceof ServiceError) {
    process.stderr.write(`${error.message}\n`);
    // A stack says nothing to an operator about what is wrong outside this process.
    if (error.code !== 'INTERNAL') return;
  }
  const { code, port } = (error ?? {}) as { code?: unknown; port?: unknown };
  if (code === 'EADDRINUSE') {
    process.stderr.write(
      `Port ${String(port)} is taken: stop what uses it, or set SWAIG_PORT, REST_PORT or OPS_PORT\n`,
    );
    return;
  }
  const stack = error instanceof Error ? (error.stack ?? '').split('\n').slice(1).join('\n') : '';
  const name = error instanceof Error ? error.name : 'Error';
  const message = error instanceof ServiceError ? error.code : error instanceof Error ? error.message : '';
  process.stderr.write(`${name}: ${message}\n${stack}\n`);
}
