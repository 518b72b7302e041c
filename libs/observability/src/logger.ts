import { type LoggerService } from '@nestjs/common';
import { destination, pino, type Logger } from 'pino';
import { currentTrace, traceIdOf } from './trace-context.js';

export type { Logger } from 'pino';

/** Fields that are redacted wherever they appear at the first two levels of a log object. */
const REDACTED_FIELDS = [
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

/** The logger of a service, with the service's name in every line. */
export function createLogger(service: string, level: string): Logger {
  return createProcessLogger(level).child({ service });
}

/**
 * The logger of a process: JSON lines on standard output, each with the `trace_id` of the running code.
 * Messages of library errors (database, broker) can contain input, so only their name, code and stack frames are printed.
 */
export function createProcessLogger(level: string): Logger {
  return pino(
    {
      level,
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED_FIELDS.flatMap((path) => [path, `*.${path}`]), censor: '[secret]' },
      serializers: { err: describeError },
      mixin: () => {
        const trace = currentTrace();
        return trace === undefined ? {} : { trace_id: traceIdOf(trace) };
      },
    },
    destination({ dest: 1, sync: false, minLength: 0 }),
  );
}

/** The loggable parts of an error: the message only of our own errors; name, code and stack frames of all. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error };
  const { code } = error as { code?: unknown };
  const isOurs = error.name === 'ServiceError';
  return {
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    ...(isOurs ? { message: error.message } : {}),
    at: (error.stack ?? '')
      .split('\n')
      .filter((line) => line.startsWith('    at '))
      .slice(0, 6)
      .map((line) => line.trim()),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

/** Writes Nest's messages to the service's logger. Its start-up messages get the level debug. */
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
