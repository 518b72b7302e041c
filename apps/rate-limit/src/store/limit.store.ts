import { encodeMessage } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
import { LimitStore, type LimitDecision, type LimitRequest } from '../ports.js';

/**
 * One statement decides, and records a refusal with it: `admit` of `domain/sliding-log.ts` in SQL.
 *
 * Why it is exact: ON CONFLICT locks the row before SET is computed, so parallel requests of one caller stand in a
 * line, in every copy of the service; `now` is the database's clock and never runs backwards on a row.
 *
 * $1 key, $2 command, $3 limit, $4 period seconds, $5 the refusal as an outbox row
 */
const ADMIT = `
WITH decided AS (
  INSERT INTO rate_limit.windows AS w (key, hits, commands, admitted, retry_at, touched_at, expires_at)
  SELECT $1, ARRAY[t.now], ARRAY[$2], true, NULL, t.now, t.now + make_interval(secs => $4::int)
  FROM (SELECT clock_timestamp() AS now) t
  ON CONFLICT (key) DO UPDATE
    SET (hits, commands, admitted, retry_at, touched_at, expires_at) = (
      SELECT
        CASE WHEN d.fresh THEN d.hits || d.now ELSE d.hits END,
        CASE WHEN d.fresh THEN d.commands || $2 ELSE d.commands END,
        d.fresh OR d.known,
        CASE WHEN d.fresh OR d.known THEN NULL
             ELSE d.hits[cardinality(d.hits) - $3::int + 1] + make_interval(secs => $4::int) END,
        d.now,
        d.now + make_interval(secs => $4::int)
      FROM (
        SELECT k.now, k.hits, k.commands, $2 = ANY (k.commands) AS known,
          NOT $2 = ANY (k.commands) AND cardinality(k.hits) < $3::int AS fresh
        FROM (
          SELECT t.now,
            COALESCE(array_agg(h.at ORDER BY h.place) FILTER (WHERE h.at IS NOT NULL), '{}') AS hits,
            COALESCE(array_agg(h.command ORDER BY h.place) FILTER (WHERE h.at IS NOT NULL), '{}') AS commands
          FROM (SELECT GREATEST(EXCLUDED.touched_at, w.touched_at) AS now) t
          LEFT JOIN unnest(w.hits, w.commands) WITH ORDINALITY AS h(at, command, place)
            ON h.at > t.now - make_interval(secs => $4::int)
          GROUP BY t.now
        ) k
      ) d
    )
  RETURNING w.admitted, w.retry_at, w.touched_at
), published AS (
  INSERT INTO rate_limit.outbox (id, topic, key, headers, payload)
  SELECT f.id, f.topic, f.key, f.headers, (f.value::jsonb || jsonb_build_object('time',
    to_char(d.touched_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))::text
  FROM decided d, jsonb_to_record($5::jsonb) AS f(id uuid, topic text, key text, headers jsonb, value text)
  WHERE NOT d.admitted
)
SELECT admitted, GREATEST(ceil(extract(epoch FROM retry_at - touched_at)), 1)::int AS retry_after FROM decided`;

const FORGET = `DELETE FROM rate_limit.windows WHERE key IN (
  SELECT key FROM rate_limit.windows WHERE expires_at < clock_timestamp() LIMIT 5000 FOR UPDATE SKIP LOCKED)`;

/** The limiter's memory in PostgreSQL. */
export class PostgresLimitStore extends LimitStore {
  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
  ) {
    super();
  }

  override async admit(request: LimitRequest): Promise<LimitDecision> {
    const [row] = await this.database.prepared<{ admitted: boolean; retry_after: number | null }>(
      'rate_limit.admit',
      ADMIT,
      [
        request.key,
        request.commandId,
        request.limit.limit,
        request.limit.periodSeconds,
        JSON.stringify(encodeMessage(request.refusal.factId, request.refusal, traceHeaders())),
      ],
    );
    if (row?.admitted === true) return { admitted: true, retryAfterSeconds: undefined };
    this.wakeRelay();
    return { admitted: false, retryAfterSeconds: row?.retry_after ?? undefined };
  }

  /** Removes windows that can refuse nobody any more. */
  async forget(): Promise<void> {
    await this.database.query(FORGET);
  }
}
