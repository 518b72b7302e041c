import { Injectable } from '@nestjs/common';
import { Database, type TenantDatabase } from '@countersign/persistence';
import { EventLog, type EventFilters, type EventRange, type LoggedEvent } from './search.ports.js';

/** Entries of a row of audit.entry_times. */
const BLOCK_SIZE = 1024;

const COLUMNS = 'idx, event_id, kind, time, tenant, subject, call_id, value';
const SELECT = `SELECT ${COLUMNS} FROM audit.entries WHERE`;

interface Row {
  readonly idx: string;
  readonly event_id: string;
  readonly kind: string;
  readonly time: Date;
  readonly tenant: string;
  readonly subject: string | null;
  readonly call_id: string | null;
  readonly value: Buffer;
}

/** Bounds of indexes, both included. */
interface Bounds {
  readonly first: number;
  readonly last: number;
}

/**
 * The runs of neighbouring blocks that can hold entries of a time. A fact that is days late adds one block, and not all the
 * blocks in between. $1 from, $2 to
 */
const RUNS = `
SELECT min(block)::text AS first, max(block)::text AS last
FROM (
  SELECT block, block - row_number() OVER (ORDER BY block) AS run
  FROM audit.entry_times
  WHERE ($1::timestamptz IS NULL OR last_time >= $1) AND ($2::timestamptz IS NULL OR first_time < $2)
) matching
GROUP BY run
ORDER BY min(block)`;

/**
 * The planner expects row-level security to hide nearly all rows, and then prefers to read all matching rows and sort them. Of
 * a tenant with a million events that would read a million rows for a page.
 */
export const PAGE_PLAN = 'SET LOCAL enable_bitmapscan = off';

/** The events in PostgreSQL. */
@Injectable()
export class PostgresEventLog extends EventLog {
  constructor(private readonly database: Database) {
    super();
  }

  override async page(tenant: string | undefined, filters: EventFilters, range: EventRange): Promise<LoggedEvent[]> {
    const { from, to } = filters;
    const database = this.#visible(tenant);
    const isTimed = from !== undefined || to !== undefined;
    const runs = isTimed ? await this.#runsOf(database, from, to) : [{ first: 0, last: Number.MAX_SAFE_INTEGER }];
    return database.transaction(async (tx) => {
      await tx.query(PAGE_PLAN);
      const events: LoggedEvent[] = [];
      for (const run of range.order === 'asc' ? runs : runs.reverse()) {
        const { text, values } = pageStatement(filters, { ...range, limit: range.limit - events.length }, run);
        const [first, last] = values as [number, number];
        if (first > last) continue;
        // Not prepared: a plan for any kind of event would read all entries to find those of a rare one.
        events.push(...(await tx.query<Row>(text, values)).map(eventOf));
        if (events.length === range.limit) break;
      }
      return events;
    });
  }

  override async event(tenant: string | undefined, id: string): Promise<LoggedEvent | undefined> {
    const rows = await this.#visible(tenant).prepared<Row>('audit.event', `${SELECT} event_id = $1`, [id]);
    return rows.map(eventOf)[0];
  }

  override async size(): Promise<number> {
    const rows = await this.database
      .forAllTenants()
      .prepared<{ size: string }>('audit.size', 'SELECT size FROM audit.log_state');
    return Number(rows[0]?.size ?? 0);
  }

  /** Row-level security hides the events of other tenants, also from a statement that forgets its condition. */
  #visible(tenant: string | undefined): TenantDatabase {
    return tenant === undefined ? this.database.forAllTenants() : this.database.forTenants([tenant]);
  }

  async #runsOf(database: TenantDatabase, from?: string, to?: string): Promise<Bounds[]> {
    const rows = await database.prepared<{ first: string; last: string }>('audit.runs', RUNS, [
      from ?? null,
      to ?? null,
    ]);
    return rows.map(({ first, last }) => ({
      first: Number(first) * BLOCK_SIZE,
      last: (Number(last) + 1) * BLOCK_SIZE - 1,
    }));
  }
}

/** The statement of a page. Its text depends on the filters that are given, never on their values. */
export function pageStatement(
  { tenant, subject, call, type, from, to }: EventFilters,
  { order, cursor, below, limit }: EventRange,
  bounds: Bounds,
): { readonly text: string; readonly values: unknown[] } {
  const first = order === 'asc' && cursor !== undefined ? Math.max(bounds.first, cursor + 1) : bounds.first;
  const before = order === 'desc' && cursor !== undefined ? cursor - 1 : Number.MAX_SAFE_INTEGER;
  const last = Math.min(bounds.last, before, (below ?? Number.MAX_SAFE_INTEGER) - 1);
  const possible = [
    ...[['tenant =', tenant] as const, ['subject =', subject] as const, ['call_id =', call] as const],
    ...[['kind =', type] as const, ['time >=', from] as const, ['time <', to] as const],
  ];
  const given = possible.filter(([, value]) => value !== undefined);
  const conditions = given.map(([condition], at) => ` AND ${condition} $${at + 4}`).join('');
  return {
    text: `${SELECT} idx >= $1 AND idx <= $2${conditions} ORDER BY idx ${order} LIMIT $3`,
    values: [first, last, limit, ...given.map(([, value]) => value)],
  };
}

function eventOf({ idx, event_id, kind, time, tenant, subject, call_id, value }: Row): LoggedEvent {
  return { index: Number(idx), id: event_id, type: kind, time, tenant, subject, call: call_id, value };
}
