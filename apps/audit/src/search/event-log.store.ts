import { Injectable } from '@nestjs/common';
import { Database, type TenantDatabase, type Transaction } from '@countersign/persistence';
import {
  EventLog,
  type EventFilters,
  type EventRange,
  type ExportedEvent,
  type ExportPart,
  type LoggedEvent,
} from './search.ports.js';

/** Entries of a row of audit.entry_times. */
const BLOCK_SIZE = 1024;

const COLUMNS = 'idx, event_id, kind, time, tenant, subject, call_id, value';

/** Events of one part of an export: about 1 MiB. */
const EXPORTED_EVENTS = 1_000;
/** Bytes of one part of an export at most, because an event can have 64 KiB. */
const EXPORTED_BYTES = 4_194_304;
const EXPORTED_COLUMNS = `${COLUMNS}, sum(octet_length(value)) OVER (ORDER BY idx) AS bytes`;
/** As text, because the driver would read the bytes as hexadecimal digits, twice as long. The log holds JSON, which is UTF-8. */
const VALUE_AS_TEXT = "convert_from(value, 'UTF8')";
/** PostgreSQL doubles the quotation marks many times faster than a string of JavaScript. */
const CSV_COLUMNS = `idx AS index, event_id AS id, kind AS type, tenant, subject, call_id AS call,
  to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS time, replace(${VALUE_AS_TEXT}, '"', '""') AS value`;

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
    const events: LoggedEvent[] = [];
    await this.#eachRun(tenant, filters, range, async (tx, run) => {
      const own = ownFilters(tenant, filters);
      const statement = pageStatement(own, { ...range, limit: range.limit - events.length }, run);
      events.push(...(await read<Row>(tx, statement)).map(eventOf));
      return events.length < range.limit;
    });
    return events;
  }

  override async exported(
    tenant: string | undefined,
    filters: EventFilters,
    given: Pick<EventRange, 'cursor' | 'below'>,
    isCsv: boolean,
  ): Promise<ExportPart> {
    const range = { ...given, order: 'asc', limit: EXPORTED_EVENTS } as const;
    const columns = isCsv ? CSV_COLUMNS : `idx AS index, ${VALUE_AS_TEXT} AS value`;
    let events: ExportedEvent[] = [];
    await this.#eachRun(tenant, filters, range, async (tx, run) => {
      const { text, values } = pageStatement(ownFilters(tenant, filters), range, run, EXPORTED_COLUMNS);
      const bounded = `SELECT ${columns} FROM (${text}) page WHERE bytes <= ${EXPORTED_BYTES} ORDER BY idx`;
      events = await read<ExportedEvent>(tx, { text: bounded, values });
      return events.length === 0;
    });
    const last = events.at(-1)?.index;
    return { events, last: last === undefined ? undefined : Number(last) };
  }

  /** Calls `work` for the bounds that can have events of the time, in their order, in one transaction, until it returns false. */
  async #eachRun(
    tenant: string | undefined,
    { from, to }: EventFilters,
    { order }: EventRange,
    work: (tx: Transaction, run: Bounds) => Promise<boolean>,
  ): Promise<void> {
    const database = this.#visible(tenant);
    const isTimed = from !== undefined || to !== undefined;
    const runs = isTimed ? await this.#runsOf(database, from, to) : [{ first: 0, last: Number.MAX_SAFE_INTEGER }];
    await database.transaction(async (tx) => {
      await tx.query(PAGE_PLAN);
      for (const run of order === 'asc' ? runs : runs.reverse()) if (!(await work(tx, run))) return;
    });
  }

  override async event(tenant: string | undefined, id: string): Promise<LoggedEvent | undefined> {
    const rows = await this.#visible(tenant).prepared<Row>(
      'audit.event',
      `SELECT ${COLUMNS} FROM audit.entries WHERE event_id = $1`,
      [id],
    );
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

/** Reads the rows of a statement, unless its bounds contain no index. */
async function read<T>(tx: Transaction, { text, values }: PageStatement): Promise<T[]> {
  const [first, last] = values as [number, number];
  // Not prepared: a plan for any kind of event would read all entries to find those of a rare one.
  return first > last ? [] : tx.query<T>(text, values);
}

interface PageStatement {
  readonly text: string;
  /** The first two are the bounds. */
  readonly values: readonly unknown[];
}

/**
 * The policy hides the events of other tenants, and no index serves it: `tenant = ANY (…) OR … = '*'`. Without the condition a
 * page of a tenant with few events reads the whole log, and takes as long as the others have events.
 */
export const ownFilters = (tenant: string | undefined, filters: EventFilters): EventFilters =>
  tenant === undefined || filters.tenant !== undefined ? filters : { ...filters, tenant };

/** The statement of a page. Its text depends on the filters that are given, never on their values. */
export function pageStatement(
  { tenant, subject, call, type, from, to }: EventFilters,
  { order, cursor, below, limit }: EventRange,
  bounds: Bounds,
  columns = COLUMNS,
): PageStatement {
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
    text: `SELECT ${columns} FROM audit.entries WHERE idx >= $1 AND idx <= $2${conditions} ORDER BY idx ${order} LIMIT $3`,
    values: [first, last, limit, ...given.map(([, value]) => value)],
  };
}

function eventOf({ idx, event_id, kind, time, tenant, subject, call_id, value }: Row): LoggedEvent {
  return { index: Number(idx), id: event_id, type: kind, time, tenant, subject, call: call_id, value };
}
