import { ServiceError, tlsFaultOf, type TlsFault } from '@countersign/runtime';

/**
 * A row that a rule of the table forbids. An answer of the database, not a fault: the caller decides what it means.
 * Carries the rule's name alone, because PostgreSQL's own text quotes the values of the row.
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

/** The row exists already. */
export class UniqueViolation extends ConstraintViolation {
  override readonly name = 'UniqueViolation';
}

/** What of a driver's error may be kept: SQLSTATE or the system's error code. The rest can quote values. */
class DatabaseFault extends Error {
  override readonly name = 'DatabaseFault';
  constructor(readonly code: string) {
    super(`The database answered ${code}`);
  }
}

/**
 * SQLSTATE classes and codes (PostgreSQL manual, appendix A) after which the same work can succeed later, and whether
 * they say that the database cannot be used at all.
 */
const LATER: readonly { readonly code: string; readonly down: boolean; readonly advice: string }[] = [
  { code: '08', down: true, advice: 'the connection was lost; it is opened again by itself' },
  { code: '57P', down: true, advice: 'the server is stopping or starting; it is tried again by itself' },
  {
    code: '53300',
    down: true,
    advice: 'the server has no connection left; lower the pool sizes or raise max_connections',
  },
  { code: '53', down: true, advice: 'the server has no disk or memory left; make room on its machine' },
  { code: '58', down: true, advice: 'the server met an error of its machine; see its log' },
  {
    code: '28000',
    down: true,
    advice: 'the server admits no such connection; correct DATABASE_URL (sslmode=verify-full where it demands TLS)',
  },
  { code: '28', down: true, advice: 'the server refuses the user or password; correct DATABASE_URL' },
  { code: '3D', down: true, advice: 'the server has no such database; create it or correct DATABASE_URL' },
  { code: '25006', down: true, advice: 'the server is read-only; point DATABASE_URL at the primary' },
  { code: '57014', down: false, advice: 'a statement ran into its time limit; see pg_locks for what it waited on' },
  { code: '55P03', down: false, advice: 'a lock was not free in time; see pg_locks for its holder' },
  {
    code: 'NO_TLS',
    down: true,
    advice: 'the server offers no TLS, and DATABASE_URL asks for it; turn on ssl there, or correct sslmode',
  },
  {
    code: 'POOL_EMPTY',
    down: false,
    advice: 'no connection of the pool was free in time; raise its size or shorten work',
  },
  { code: '40', down: false, advice: 'two transactions collided; the work is to be done again' },
];

const TLS: Readonly<Record<TlsFault, string>> = {
  untrusted: "the server's certificate is signed by no authority that is trusted here; check DATABASE_CA",
  expired: "the server's certificate is not valid today; renew it, or set the clock of this machine",
  'wrong-host': "the server's certificate is for another host; check the host in DATABASE_URL and in the certificate",
  refused: 'the server refuses our side of TLS; check DATABASE_CERT and DATABASE_KEY',
  'no-tls': 'what answers does not speak TLS; check host and port in DATABASE_URL',
};

/** Five characters as SQLSTATE has them, but not EPIPE: codes of sockets begin with E, those of PostgreSQL never do. */
const SQLSTATE = /^(?!E)[0-9A-Z]{5}$/;
/** What the driver says, without a code, when it lost or never had a connection. */
const DRIVER_SAYS_LOST = /connection terminated|not queryable|was closed|timeout|calling end on the pool/i;
const POOL_EMPTY = 'timeout exceeded when trying to connect';
const NO_TLS = 'The server does not support SSL connections';

/** True for an error after which the connection it came from must not be used again. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error);
  return code === undefined || !SQLSTATE.test(code) || /^(08|57P)/.test(code);
}

/** True when the fault says that the database cannot be used at all, rather than that one piece of work failed. */
export function isDatabaseDown(fault: unknown): boolean {
  if (!(fault instanceof ServiceError) || fault.code !== 'DATABASE_UNAVAILABLE') return false;
  const code = codeOf(fault.cause);
  const entry = LATER.find((candidate) => code?.startsWith(candidate.code));
  return entry?.down ?? true;
}

/** True when the server does not take a connection of this kind at all, or we do not take its certificate. */
export function isServerRefusal(fault: Error): boolean {
  if (!isDatabaseDown(fault)) return false;
  const code = codeOf(fault.cause);
  return code === '28000' || code === 'NO_TLS' || tlsFaultOf(code) !== undefined;
}

/** True when a fault of this module carries this SQLSTATE. */
export function hasSqlState(fault: unknown, code: string): boolean {
  return fault instanceof ServiceError && codeOf(fault.cause) === code;
}

/**
 * What a driver's error becomes: a {@link ConstraintViolation}, a fault DATABASE_UNAVAILABLE (retriable), or a fault
 * INTERNAL (a statement that is wrong). Neither text nor cause holds a parameter, a row or an address.
 */
export function translateError(error: unknown): Error {
  if (error instanceof ServiceError || error instanceof ConstraintViolation) return error;
  const code = codeOf(error);
  if (code?.startsWith('23')) {
    const { constraint, column } = error as { constraint?: unknown; column?: unknown };
    const rule = typeof constraint === 'string' ? constraint : typeof column === 'string' ? column : code;
    return code === '23505' ? new UniqueViolation(rule) : new ConstraintViolation(rule);
  }
  const entry = LATER.find((candidate) => code?.startsWith(candidate.code));
  if (entry !== undefined) return unavailable(code ?? '', entry.advice);
  const tls = tlsFaultOf(code);
  if (tls !== undefined) return unavailable(code ?? '', TLS[tls]);
  const text = error instanceof Error ? error.message : '';
  if (code !== undefined && SQLSTATE.test(code)) return wrongStatement(code, text);
  if (code === undefined ? DRIVER_SAYS_LOST.test(text) : !code.startsWith('ERR_INVALID')) {
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

/** Class 42 speaks of names in the statement's text, which is ours; every other class can quote a parameter. */
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
