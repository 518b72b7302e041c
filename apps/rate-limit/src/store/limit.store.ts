import { encodeMessage } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Batched, type Database } from '@countersign/persistence';
import { LimitStore, type LimitDecision, type LimitRequest } from '../ports.js';

/**
 * One statement decides, for one request or for many, and records the refusals with it: `admit` of
 * `domain/sliding-log.ts` in SQL.
 *
 * Why it is exact: ON CONFLICT locks the row before SET is computed, so parallel requests of one caller stand in a
 * line, in every copy of the service; `now` is the database's clock and never runs backwards on a row. No key is twice
 * in a statement, and all statements lock in the order of the keys: two of them never wait for each other.
 *
 * Arrays of equal length: $1 keys, $2 commands, $3 limits, $4 period seconds, $5 the refusals as outbox rows
 */
const ADMIT = `
WITH asked AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::jsonb[])
    AS a(key, command, most, period, refusal)
), decided AS (
  INSERT INTO rate_limit.windows AS w (key, hits, commands, admitted, retry_at, touched_at, expires_at)
  SELECT a.key, ARRAY[t.now], ARRAY[a.command], true, NULL, t.now, t.now + make_interval(secs => a.period)
  FROM asked a, (SELECT clock_timestamp() AS now) t
  ORDER BY a.key
  ON CONFLICT (key) DO UPDATE
    SET (hits, commands, admitted, retry_at, touched_at, expires_at) = (
      SELECT
        CASE WHEN d.fresh THEN d.hits || d.now ELSE d.hits END,
        CASE WHEN d.fresh THEN d.commands || d.command ELSE d.commands END,
        d.fresh OR d.known,
        CASE WHEN d.fresh OR d.known THEN NULL
             ELSE d.hits[cardinality(d.hits) - d.most + 1] + make_interval(secs => d.period) END,
        d.now,
        d.now + make_interval(secs => d.period)
      FROM (
        SELECT k.*, k.command = ANY (k.commands) AS known,
          NOT k.command = ANY (k.commands) AND cardinality(k.hits) < k.most AS fresh
        FROM (
          SELECT t.now, t.command, t.most, t.period,
            COALESCE(array_agg(h.at ORDER BY h.place) FILTER (WHERE h.at IS NOT NULL), '{}') AS hits,
            COALESCE(array_agg(h.command ORDER BY h.place) FILTER (WHERE h.at IS NOT NULL), '{}') AS commands
          FROM (
            SELECT GREATEST(EXCLUDED.touched_at, w.touched_at) AS now, a.command, a.most, a.period
            FROM asked a WHERE a.key = EXCLUDED.key
          ) t
          LEFT JOIN unnest(w.hits, w.commands) WITH ORDINALITY AS h(at, command, place)
            ON h.at > t.now - make_interval(secs => t.period)
          GROUP BY t.now, t.command, t.most, t.period
        ) k
      ) d
    )
  RETURNING w.key, w.admitted, w.retry_at, w.touched_at
), published AS (
  INSERT INTO rate_limit.outbox (id, topic, key, headers, payload)
  SELECT f.id, f.topic, f.key, f.headers, (f.value::jsonb || jsonb_build_object('time',
    to_char(d.touched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))::text
  FROM decided d JOIN asked a USING (key),
    LATERAL jsonb_to_record(a.refusal) AS f(id uuid, topic text, key text, headers jsonb, value text)
  WHERE NOT d.admitted
)
SELECT key, admitted, GREATEST(ceil(extract(epoch FROM retry_at - touched_at)), 1)::int AS retry_after FROM decided`;

/** A request, and its refusal as a row of the outbox. */
interface Asked {
  readonly request: LimitRequest;
  readonly refusal: string;
}

interface DecidedRow {
  readonly key: string;
  readonly admitted: boolean;
  readonly retry_after: number | null;
}

const FORGET = `DELETE FROM rate_limit.windows WHERE key IN (
  SELECT key FROM rate_limit.windows WHERE expires_at < clock_timestamp() LIMIT 5000 FOR UPDATE SKIP LOCKED)`;

/** The limiter's memory in PostgreSQL. Requests of one moment are decided by one statement. */
export class PostgresLimitStore extends LimitStore {
  readonly #admit: Batched<Asked, DecidedRow | undefined>;

  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
  ) {
    super();
    this.#admit = new Batched({ rows: ({ request }) => [request.key], run: (asked) => this.#admitAll(asked) });
  }

  override async admit(request: LimitRequest): Promise<LimitDecision> {
    // Here and not in the statement for many: the trace is that of this request.
    const refusal = JSON.stringify(encodeMessage(request.refusal.factId, request.refusal, traceHeaders()));
    const row = await this.#admit.call({ request, refusal });
    if (row?.admitted === true) return { admitted: true, retryAfterSeconds: undefined };
    this.wakeRelay();
    return { admitted: false, retryAfterSeconds: row?.retry_after ?? undefined };
  }

  async #admitAll(asked: readonly Asked[]): Promise<(DecidedRow | undefined)[]> {
    const of = <T>(read: (request: LimitRequest) => T): T[] => asked.map(({ request }) => read(request));
    const rows = await this.database.prepared<DecidedRow>('rate_limit.admit', ADMIT, [
      of(({ key }) => key),
      of(({ commandId }) => commandId),
      of(({ limit }) => limit.limit),
      of(({ limit }) => limit.periodSeconds),
      asked.map(({ refusal }) => refusal),
    ]);
    const decided = new Map(rows.map((row) => [row.key, row]));
    return of(({ key }) => decided.get(key));
  }

  /** Removes windows that can refuse nobody any more. */
  async forget(): Promise<void> {
    await this.database.query(FORGET);
  }
}
