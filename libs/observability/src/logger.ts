import { type LoggerService } from '@nestjs/common';
import { destination, pino, type Logger } from 'pino';
import { currentTrace, traceIdOf } from './trace-context.js';

export type { Logger } from 'pino';

/** Paths that are never printed, whatever somebody puts into a log object. */
const NEVER_PRINTED = [
  'pin',
  'password',
  'apiKey',
  'sealed',
  'authorization',
  'answers',
  'phone',
  'phones',
  'argument',
  'body',
];

/** The logger of a service: the process's logger, with the service's name in every line. */
export function createLogger(service: string, level: string): Logger {
  return createProcessLogger(level).child({ service });
}

/**
 * The logger of a process: JSON lines on standard output, each with the `trace_id` of what it was written in.
 * Foreign errors (database, broker) may carry input in their messages, so only their name, code and place are printed.
 */
export function createProcessLogger(level: string): Logger {
  return pino(
    {
      level,
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: NEVER_PRINTED.flatMap((path) => [path, `*.${path}`]), censor: '[secret]' },
      serializers: { err: describeError },
      mixin: () => {
        const trace = currentTrace();
        return trace === undefined ? {} : { trace_id: traceIdOf(trace) };
      },
    },
    destination({ dest: 1, sync: false, minLength: 0 }),
  );
}

/** What may be said of an error: our own messages whole, of others the name, the code and where it came from. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error };
  const { code } = error as { code?: unknown };
  const ours = error.name === 'ServiceError';
  return {
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    ...(ours ? { message: error.message } : {}),
    at: (error.stack ?? '')
      .split('\n')
      .filter((line) => line.startsWith('    at '))
      .slice(0, 6)
      .map((line) => line.trim()),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

/** Carries Nest's own messages to the service's logger, without the chatter of its start. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(text: unknown, context?: string): void {
    this.logger.debug({ context }, String(text));
  }

  warn(text: unknown, context?: string): void {
    this.logger.warn({ context }, String(text));
  }

  error(text: unknown): void {
    if (text instanceof Error) this.logger.error({ err: text }, 'unexpected error');
    else this.logger.error({}, String(text));
  }
}
