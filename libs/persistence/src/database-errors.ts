import { ServiceError, tlsFaultOf, type TlsFault } from '@countersign/runtime';

/**
 * A row violates a constraint. This is a result and not a fault: the caller decides what it means. Carries only the
 * name of the constraint, because the text of PostgreSQL quotes values of the row.
 */
export class ConstraintViolation extends Error {
  override readonly name: string = 'ConstraintViolation';
  constructor(
    /** Name of the constraint; of the column for NOT NULL. */
    readonly constraint: string,
  ) {
    super(`The row breaks the rule ${constraint}`);
  }
}

/** The row already exists. */
export class UniqueViolation extends ConstraintViolation {
  override readonly name = 'UniqueViolation';
}

/** The safe part of a driver's error: SQLSTATE or the system's error code. The rest can quote values. */
class DatabaseFault extends Error {
  override readonly name = 'DatabaseFault';
  constructor(readonly code: string) {
    super(`The database answered ${code}`);
  }
}

/**
 * SQLSTATE classes and codes (PostgreSQL manual, appendix A) that are retriable. `down`: the database cannot be used at
 * all.
 */
const RETRIABLE_CODES: readonly { readonly code: string; readonly down: boolean; readonly advice: string }[] = [
  { code: '08', down: true, advice: 'the connection was lost; a new one is opened automatically' },
  { code: '57P', down: true, advice: 'the server is stopping or starting; retries are automatic' },
  {
    code: '53300',
    down: true,
    advice: 'the server has no free connection; lower the pool sizes or raise max_connections',
  },
  { code: '53', down: true, advice: 'the server is out of disk or memory; free some on its machine' },
  { code: '58', down: true, advice: 'the server had a system error; see its log' },
  {
    code: '28000',
    down: true,
    advice:
      'the server does not allow this kind of connection; correct DATABASE_URL (sslmode=verify-full where it demands TLS)',
  },
  { code: '28', down: true, advice: 'the server refuses the user or password; correct DATABASE_URL' },
  { code: '3D', down: true, advice: 'the server has no such database; create it or correct DATABASE_URL' },
  { code: '25006', down: true, advice: 'the server is read-only; point DATABASE_URL at the primary' },
  {
    code: '57014',
    down: false,
    advice: 'a statement exceeded its time limit; see pg_locks for the lock that it waited for',
  },
  { code: '55P03', down: false, advice: 'a lock was not free in time; see pg_locks for its holder' },
  {
    code: 'NO_TLS',
    down: true,
    advice: 'the server offers no TLS, and DATABASE_URL requires it; turn on ssl there, or correct sslmode',
  },
  {
    code: 'POOL_EMPTY',
    down: false,
    advice: 'no connection of the pool was free in time; raise the pool size or shorten transactions',
  },
  { code: '40', down: false, advice: 'two transactions conflicted; retry the work' },
];

const TLS_ADVICE: Readonly<Record<TlsFault, string>> = {
  untrusted: "the server's certificate is not signed by a trusted authority; check DATABASE_CA",
  expired: "the server's certificate is not valid today; replace it, or correct the clock of this machine",
  'wrong-host': "the server's certificate is for another host; check the host in DATABASE_URL and in the certificate",
  refused: 'the server refuses our side of TLS; check DATABASE_CERT and DATABASE_KEY',
  'no-tls': 'the server does not use TLS; check host and port in DATABASE_URL',
};

/** Five characters of an SQLSTATE, but not EPIPE: socket codes start with E, those of PostgreSQL never do. */
const SQLSTATE = /^(?!E)[0-9A-Z]{5}$/;
/** Messages of driver errors without a code for a lost or missing connection. */
const CONNECTION_LOSS_TEXT = /connection terminated|not queryable|was closed|timeout|calling end on the pool/i;
const POOL_EMPTY = 'timeout exceeded when trying to connect';
const NO_TLS = 'The server does not support SSL connections';

/** Whether the connection must not be used again after this error. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error);
  return code === undefined || !SQLSTATE.test(code) || /^(08|57P)/.test(code);
}

/** Whether the database cannot be used at all, rather than one statement having failed. */
export function isDatabaseDown(fault: unknown): boolean {
  if (!(fault instanceof ServiceError) || fault.code !== 'DATABASE_UNAVAILABLE') return false;
  const code = codeOf(fault.cause);
  const entry = RETRIABLE_CODES.find((candidate) => code?.startsWith(candidate.code));
  return entry?.down ?? true;
}

/** Whether the server refuses this kind of connection, or its certificate is not trusted. */
export function isServerRefusal(fault: Error): boolean {
  if (!isDatabaseDown(fault)) return false;
  const code = codeOf(fault.cause);
  return code === '28000' || code === 'NO_TLS' || tlsFaultOf(code) !== undefined;
}

/** Whether a fault of this module has this SQLSTATE. */
export function hasSqlState(fault: unknown, code: string): boolean {
  return fault instanceof ServiceError && codeOf(fault.cause) === code;
}

/**
 * Translates a driver's error to a {@link ConstraintViolation}, a fault DATABASE_UNAVAILABLE (retriable), or a fault
 * INTERNAL (a wrong statement). Neither text nor cause contains a parameter, a row or an address.
 */
export function translateError(error: unknown): Error {
  if (error instanceof ServiceError || error instanceof ConstraintViolation) return error;
  const code = codeOf(error);
  if (code?.startsWith('23')) {
    const { constraint, column } = error as { constraint?: unknown; column?: unknown };
    const rule = typeof constraint === 'string' ? constraint : typeof column === 'string' ? column : code;
    return code === '23505' ? new UniqueViolation(rule) : new ConstraintViolation(rule);
  }
  const entry = RETRIABLE_CODES.find((candidate) => code?.startsWith(candidate.code));
  if (entry !== undefined) return unavailable(code ?? '', entry.advice);
  const tls = tlsFaultOf(code);
  if (tls !== undefined) return unavailable(code ?? '', TLS_ADVICE[tls]);
  const text = error instanceof Error ? error.message : '';
  if (code !== undefined && SQLSTATE.test(code)) return wrongStatement(code, text);
  if (code === undefined ? CONNECTION_LOSS_TEXT.test(text) : !code.startsWith('ERR_INVALID')) {
    return unavailable(code ?? 'CONNECTION_LOST', 'check that the server of DATABASE_URL runs and can be reached');
  }
  return new ServiceError('INTERNAL', 'A statement could not be sent to the database; look at its parameters', false);
}

function unavailable(code: string, advice: string): ServiceError {
  return new ServiceError(
    'DATABASE_UNAVAILABLE',
    `The database cannot be used: ${advice}`,
    true,
    new DatabaseFault(code),
  );
}

/** Messages of class 42 quote only our statement; those of other classes can quote a parameter. */
function wrongStatement(code: string, text: string): ServiceError {
  const reason = code.startsWith('42') ? `: ${text}` : '';
  const message = `The database refused a statement with SQLSTATE ${code}${reason}`;
  return new ServiceError('INTERNAL', message, false, new DatabaseFault(code));
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof Error && error.message === POOL_EMPTY) return 'POOL_EMPTY';
  if (error instanceof Error && error.message === NO_TLS) return 'NO_TLS';
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
