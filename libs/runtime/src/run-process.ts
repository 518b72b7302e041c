import { setFlagsFromString } from 'node:v8';
import { type Environment } from './settings.js';
import { ServiceError } from './service-error.js';

/** A started service. */
export interface RunningService {
  readonly name: string;
  /** Its HTTP addresses, by purpose (`swaig`, `rest`, `audit`, `ops`). */
  readonly urls: Readonly<Record<string, string>>;
  /** Stops accepting work, finishes the work in flight and releases all resources. Safe to call twice. */
  close(): Promise<void>;
}

/** Longest graceful stop; then the process exits with code 1. Less than the 30 s after which Kubernetes kills it. */
const STOP_LIMIT_MS = 25_000;

/** How long a start waits for the broker and the database, because services start in any order. */
const START_LIMIT_MS = 60_000;
const START_RETRY_PAUSE_MS = 1_000;
/** Shortest time between two log lines with the same reason for waiting. */
const START_REPORT_MS = 5_000;
/**
 * Collects garbage when the heap has grown by 40 % instead of by several times: with 1,000 attempts at once, verification had
 * 40 MiB less at its peak (`npm run bench -- memory`), and no more processor time was measured (`-- verify`). Set after the start:
 * with another flag than at its build, V8 compiles Node's own modules instead of reading their compiled code, and a start
 * collects no garbage worth its time.
 */
const GARBAGE_FLAG = '--heap-growing-percent=40';

/** How long an interrupted start may take to release its resources. */
const START_STOP_LIMIT_MS = 10_000;

/**
 * Runs a service as this process. Stops it on SIGTERM and SIGINT. Exits with code 0 after a graceful stop, and with code 1
 * after a fault or when the stop takes longer than 25 s.
 * @param env `process.env`, which only main.ts may read
 * @param start receives `fatal`, which the service calls after a fault that only a restart can repair
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
      // A second signal during the start: exit at once, because no work can be lost.
      if (service === undefined) process.exit(1);
      return;
    }
    stopping = true;
    // An interrupted start has accepted no work, so the exit code is still `code`.
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
    const attempt = startWithRetries(
      () => start(env, fatal),
      () => stopping,
    ).then((started) => (service = started));
    starting = attempt;
    await attempt;
    setFlagsFromString(GARBAGE_FLAG);
  } catch (error) {
    // The start failed because it was interrupted.
    if (stopping) return;
    report(error);
    process.exit(1);
  }
}

/** Retries while the broker or the database is unavailable. A failed start has released its resources. */
async function startWithRetries(
  start: () => Promise<RunningService>,
  isStopping: () => boolean,
): Promise<RunningService | undefined> {
  const deadline = Date.now() + START_LIMIT_MS;
  let reported = { message: '', at: 0 };
  for (;;) {
    try {
      return await start();
    } catch (error) {
      const mayRetry = error instanceof ServiceError && error.retriable && Date.now() < deadline;
      if (isStopping()) return undefined;
      if (!mayRetry) throw error;
      const { message } = error;
      if (message !== reported.message || Date.now() - reported.at >= START_REPORT_MS) {
        process.stderr.write(`${message}; waiting for it\n`);
        reported = { message, at: Date.now() };
      }
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_PAUSE_MS));
    }
  }
}

/** Prints only our own messages in full: an error from a library can contain input. */
function report(error: unknown): void {
  if (error instanceof ServiceError) {
    process.stderr.write(`${error.message}\n`);
    // For every other code the cause is outside this process, and a stack does not help an operator.
    if (error.code !== 'INTERNAL') return;
  }
  const { code, port } = (error ?? {}) as { code?: unknown; port?: unknown };
  if (code === 'EADDRINUSE') {
    process.stderr.write(
      `Port ${String(port)} is taken: stop what uses it, or set SWAIG_PORT, REST_PORT, AUDIT_PORT or OPS_PORT\n`,
    );
    return;
  }
  const stack = error instanceof Error ? (error.stack ?? '').split('\n').slice(1).join('\n') : '';
  const name = error instanceof Error ? error.name : 'Error';
  const message = error instanceof ServiceError ? error.code : error instanceof Error ? error.message : '';
  process.stderr.write(`${name}: ${message}\n${stack}\n`);
}
