import { Injectable } from '@nestjs/common';
import {
  encodeMessage,
  factRecorded,
  INSTALLATION,
  type Actor,
  type FactKind,
  type OperatorLogoutRequested,
  type OperatorSessionStartRequested,
  type OperatorSessionState,
  type RoleGrant,
} from '@countersign/contracts';
import { METRICS, traceHeaders } from '@countersign/observability';
import { Database, databaseTime, Inbox, Outbox, OutboxRelay, type Transaction } from '@countersign/persistence';
import { OperatorSessionStore, type BegunSignIn } from './operator-sessions.ports.js';

/** Time for the sign-in at the provider, in seconds. */
const SIGN_IN_SECONDS = 600;
/** Anybody can begin sign-ins. 100,000 rows have about 20 MB; a flood ends the oldest ones. */
const MAX_SIGN_INS = 100_000;

/** Anybody can cause this statement. An index scan needs a stable function: statement_timestamp() is, clock_timestamp() is not. */
const BEGIN = `WITH removed AS (
    DELETE FROM directory.operator_sign_ins
    WHERE begun_at < statement_timestamp() - make_interval(secs => ${SIGN_IN_SECONDS})
  )
  INSERT INTO directory.operator_sign_ins (id_hash, return_to, recent) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`;

/** Reads up to MAX_SIGN_INS rows, so it does not run with each sign-in. */
const TRIM = `DELETE FROM directory.operator_sign_ins
  WHERE begun_at <= (SELECT begun_at FROM directory.operator_sign_ins ORDER BY begun_at DESC OFFSET ${MAX_SIGN_INS} LIMIT 1)`;
const TRIM_EVERY = 1_000;

const TAKE = `WITH taken AS (DELETE FROM directory.operator_sign_ins WHERE id_hash = $1 RETURNING *)
  SELECT return_to AS "returnTo", recent FROM taken
  WHERE begun_at > clock_timestamp() - make_interval(secs => ${SIGN_IN_SECONDS})`;

/** False while the idle time is unknown. */
const IS_IDLE = 'COALESCE(last_used_at < clock_timestamp() - make_interval(secs => idle_seconds), false)';
/** Reads all sessions, which are few: only people who sign in have them, and each ends after hours. An index would change with each use. */
const PURGE = `DELETE FROM directory.operator_sessions WHERE expires_at < clock_timestamp() OR ${IS_IDLE}
  RETURNING COALESCE(last_used_at + make_interval(secs => idle_seconds) < expires_at, false) AS idle`;
const COUNT = `SELECT count(*)::int AS open FROM directory.operator_sessions
  WHERE expires_at > clock_timestamp() AND NOT ${IS_IDLE}`;

/** The browser has lost the cookie of the session before, so no sign-out could end that session. */
const REPLACE = `DELETE FROM directory.operator_sessions
  WHERE id_hash = $1 AND subject = $2 AND issuer IS NOT DISTINCT FROM $3 RETURNING 1`;

/** The provider's clock can be ahead, which must not make a sign-in recent for longer. */
const START = `INSERT INTO directory.operator_sessions
    (id_hash, issuer, subject, name, provider_session, grants, signed_in_at, authenticated_at, last_used_at, expires_at,
     idle_seconds)
  SELECT $1, $2, $3, $4, $5, $6::jsonb, now, LEAST(COALESCE($7, now), now), now, now + make_interval(secs => $8), $9
  FROM clock_timestamp() AS now
  ON CONFLICT DO NOTHING RETURNING 1`;

const COLUMNS = `issuer, subject, name, grants, signed_in_at, expires_at,
  extract(epoch FROM clock_timestamp() - authenticated_at)::float8 AS age`;
const HOLDS = `id_hash = $1 AND expires_at > clock_timestamp()
  AND last_used_at > clock_timestamp() - make_interval(secs => $2)`;
const USE = `UPDATE directory.operator_sessions SET last_used_at = clock_timestamp(), idle_seconds = $2 WHERE ${HOLDS} RETURNING ${COLUMNS}`;
const LOOK_UP = `SELECT ${COLUMNS} FROM directory.operator_sessions WHERE ${HOLDS}`;

const END = 'DELETE FROM directory.operator_sessions WHERE id_hash = $1 RETURNING 1';
const END_ALL = `DELETE FROM directory.operator_sessions AS one USING directory.operator_sessions AS named
  WHERE named.id_hash = $1 AND one.subject = named.subject AND one.issuer IS NOT DISTINCT FROM named.issuer RETURNING 1`;
const LOGOUT = `DELETE FROM directory.operator_sessions
  WHERE issuer = $1 AND ($2::text IS NULL OR subject = $2) AND ($3::text IS NULL OR provider_session = $3)
  RETURNING subject, name`;

/** How a session ends, as the metric counts it. */
const ENDS = ['sign_out', 'everywhere', 'provider', 'replaced', 'idle', 'absolute'] as const;
type SessionEnd = (typeof ENDS)[number];
const countEnded = (reason: SessionEnd, count: number): void => METRICS.operatorSessionsEnded.inc({ reason }, count);

interface SessionRow {
  readonly issuer: string | null;
  readonly subject: string;
  readonly name: string;
  readonly grants: readonly RoleGrant[];
  readonly signed_in_at: Date;
  readonly expires_at: Date;
  readonly age: number;
}

/** Sessions of operators in PostgreSQL. All times are those of the database. */
@Injectable()
export class PostgresOperatorSessions extends OperatorSessionStore {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  #begun = 0;

  constructor(
    private readonly database: Database,
    private readonly relay: OutboxRelay,
  ) {
    super();
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
    // Prometheus sees the first end as an increase only if the counter was 0 before it.
    for (const reason of ENDS) METRICS.operatorSessionsEnded.inc({ reason }, 0);
  }

  override async begin(idHash: string, { returnTo, recent }: BegunSignIn): Promise<void> {
    await this.database.query(BEGIN, [idHash, returnTo, recent]);
    if (++this.#begun % TRIM_EVERY === 0) await this.database.query(TRIM);
  }

  override async take(idHash: string): Promise<BegunSignIn | undefined> {
    const [row] = await this.database.query<BegunSignIn>(TAKE, [idHash]);
    return row;
  }

  override async start(command: OperatorSessionStartRequested): Promise<OperatorSessionState> {
    const {
      idHash,
      issuer = null,
      subject,
      name,
      providerSession = null,
      grants,
      actor,
      lifeSeconds,
      idleSeconds = null,
      replaces,
    } = command;
    const authenticatedAt = command.authenticatedAt === undefined ? null : new Date(command.authenticatedAt);
    const values = [idHash, issuer, subject, name, providerSession, JSON.stringify(grants), authenticatedAt];
    await this.purge();
    let replacedCount = 0;
    const row = await this.#recording(async (tx) => {
      const started = await tx.query(START, [...values, lifeSeconds, idleSeconds]);
      if (started.length > 0) {
        if (replaces !== undefined) replacedCount = (await tx.query(REPLACE, [replaces, subject, issuer])).length;
        const tenants = boundTenants(grants);
        const detail = { with: issuer === null ? 'key' : 'oidc', ...(tenants && { tenants: tenants.join(' ') }) };
        await this.#record(tx, 'operator.signed_in', command.commandId, actor, detail);
      }
      const [session] = await tx.query<SessionRow>(LOOK_UP, [idHash, lifeSeconds]);
      return session;
    });
    countEnded('replaced', replacedCount);
    if (row === undefined) throw new Error('the session that was started does not hold');
    return stateOf(row);
  }

  override async session(
    idHash: string,
    idleSeconds: number,
    isUse: boolean,
  ): Promise<OperatorSessionState | undefined> {
    const [row] = await this.database.query<SessionRow>(isUse ? USE : LOOK_UP, [idHash, idleSeconds]);
    return row && stateOf(row);
  }

  override async end(commandId: string, idHash: string, everywhere: boolean, actor: Actor): Promise<number> {
    const ended = await this.#recording(async (tx) => {
      const { length: count } = await tx.query(everywhere ? END_ALL : END, [idHash]);
      if (count > 0) await this.#record(tx, 'operator.signed_out', commandId, actor, { by: 'operator', count });
      return count;
    });
    countEnded(everywhere ? 'everywhere' : 'sign_out', ended);
    return ended;
  }

  override async logout(command: OperatorLogoutRequested): Promise<number | undefined> {
    const { commandId, issuer, tokenHash, subject = null, providerSession = null } = command;
    const endedCount = await this.#recording(async (tx) => {
      if (!(await this.#inbox.claim(tx, 'logout-tokens', tokenHash))) return undefined;
      const ended = await tx.query<{ subject: string; name: string }>(LOGOUT, [issuer, subject, providerSession]);
      const [first] = ended;
      if (first) {
        const actor: Actor = { kind: 'operator', id: first.subject, name: first.name, sourceAddress: 'unknown' };
        const detail = { by: 'provider', count: ended.length };
        await this.#record(tx, 'operator.signed_out', commandId, actor, detail);
      }
      return ended.length;
    });
    countEnded('provider', endedCount ?? 0);
    return endedCount;
  }

  override async purge(): Promise<void> {
    const ended = await this.database.query<{ idle: boolean }>(PURGE);
    const idleCount = ended.filter(({ idle }) => idle).length;
    countEnded('idle', idleCount);
    countEnded('absolute', ended.length - idleCount);
  }

  override async count(): Promise<number> {
    const [row] = await this.database.query<{ open: number }>(COUNT);
    return row?.open ?? 0;
  }

  async #recording<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const result = await this.database.transaction(work);
    this.relay.wake();
    return result;
  }

  async #record(
    tx: Transaction,
    kind: FactKind,
    commandId: string,
    actor: Actor,
    detail: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    const fields = { tenant: INSTALLATION, commandId, actor, channel: 'rest' as const, detail };
    const fact = factRecorded(kind, await databaseTime(tx), fields);
    await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
  }
}

/** Undefined when a role is bound to no tenant. */
function boundTenants(grants: readonly RoleGrant[]): string[] | undefined {
  const tenants = grants.map((grant) => grant.tenants);
  if (tenants.includes(undefined)) return undefined;
  return [...new Set(tenants.flatMap((some) => some ?? []))].sort();
}

function stateOf({ signed_in_at: signedInAt, expires_at: expiresAt, age, ...row }: SessionRow): OperatorSessionState {
  return {
    ...row,
    signedInAt: signedInAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    secondsSinceAuthentication: age,
  };
}
