import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { AUDIT_MIGRATIONS } from '../../migrations/index.js';
import { ownFilters, PAGE_PLAN, pageStatement, PostgresEventLog } from './event-log.store.js';
import { type EventFilters, type LoggedEvent } from './search.ports.js';

/** More rows by the environment measure the times of pages; the plans are the same. */
const ROWS = Number(process.env['EVENT_SEARCH_ROWS'] ?? 20_000);
const START = Date.parse('2026-01-01T00:00:00.000Z');
const timeOf = (index: number): string => new Date(START + index * 1000).toISOString();

let administrator: Database;
let service: Database;
let log: PostgresEventLog;
let drop: () => Promise<void>;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const options = { url: test.url, schema: 'audit', migrations: AUDIT_MIGRATIONS, applicationName: 'test' };
  service = await openDatabase(options);
  administrator = await openDatabase({ ...options, as: 'administrator', statementTimeoutMs: 600_000 });
  log = new PostgresEventLog(service);
  await addEntries(administrator, ROWS);
  await administrator.query('ANALYZE audit.entries');
}, 600_000);

afterAll(async () => {
  await Promise.all([administrator.close(), service.close()]);
  await drop();
});

/** Adds entries as the sequencer does: under the lock of the log's state, in one transaction. */
async function addEntries(database: Database, count: number, tenant?: string): Promise<void> {
  await database.transaction(async (tx) => {
    const [state] = await tx.query<{ size: string }>('SELECT size FROM audit.log_state FOR UPDATE');
    const size = Number(state?.size);
    await tx.query(
      `INSERT INTO audit.entries
         (idx, event_id, kind, tenant, subject, call_id, time, value, partition_key, recorded_at)
       SELECT i, gen_random_uuid(), CASE WHEN i % 1000 = 7 THEN 'tenant.changed' ELSE 'attempt.decided' END,
         coalesce($3, 'tenant-' || i % 50), 'subject-' || i % 5000, 'call-' || i / 3, $4::timestamptz + i * interval '1 s',
         convert_to(json_build_object('index', i, 'filler', repeat('x', 900))::text, 'UTF8'), 'k', now()
       FROM generate_series($1::bigint, $2::bigint) i`,
      [size, size + count - 1, tenant ?? null, timeOf(0)],
    );
    await tx.query('UPDATE audit.log_state SET size = $1, origin = $2', [size + count, 'test']);
  });
}

async function allPages(
  tenant: string | undefined,
  filters: EventFilters,
  order: 'asc' | 'desc',
  limit = 100,
): Promise<LoggedEvent[]> {
  const found: LoggedEvent[] = [];
  for (let page: LoggedEvent[] | undefined; page === undefined || page.length === limit;) {
    const cursor = found.at(-1)?.index;
    page = await log.page(tenant, filters, { order, limit, ...(cursor !== undefined && { cursor }) });
    found.push(...page);
  }
  return found;
}

const MIDDLE = Math.floor(ROWS / 2);
const SEARCHES: readonly (readonly [name: string, filters: EventFilters, index: string])[] = [
  ['nothing', {}, 'entries_pkey'],
  ['tenant', { tenant: 'tenant-7' }, 'entries_of_tenant'],
  ['subject', { subject: 'subject-70' }, 'entries_of_subject'],
  ['call', { call: `call-${Math.floor(MIDDLE / 3)}` }, 'entries_of_call'],
  ['rare type', { type: 'tenant.changed' }, 'entries_of_kind'],
  ['type of a tenant', { tenant: 'tenant-7', type: 'tenant.changed' }, 'entries_of_tenant_and_kind'],
  ['time', { from: timeOf(MIDDLE), to: timeOf(MIDDLE + 300) }, 'entries_pkey'],
];

/** Indexes of the same searches by a tenant, where they differ. */
const OWN_INDEXES: Readonly<Record<string, string>> = {
  entries_pkey: 'entries_of_tenant',
  entries_of_kind: 'entries_of_tenant_and_kind',
};

/** The plan of a page, as the role of the service with the tenants of the reader. */
async function planOf(tenant: string | undefined, filters: EventFilters): Promise<string> {
  const isByTime = filters.from !== undefined;
  const bounds = isByTime ? { first: MIDDLE - 2000, last: MIDDLE + 2000 } : { first: 0, last: Number.MAX_SAFE_INTEGER };
  const { text, values } = pageStatement(ownFilters(tenant, filters), { order: 'desc', limit: 51 }, bounds);
  const database = tenant === undefined ? service.forAllTenants() : service.forTenants([tenant]);
  const plan = await database.transaction(async (tx) => {
    await tx.query(PAGE_PLAN);
    return tx.query(`EXPLAIN (FORMAT JSON) ${text}`, values);
  });
  return JSON.stringify(plan);
}

describe('the search of events', () => {
  it.each(SEARCHES)('by %s reads a page from an index in its order, without a sort', async (_name, filters, index) => {
    const shown = await planOf(undefined, filters);
    expect(shown).toContain(`"Index Name":"${index}"`);
    expect(shown).not.toMatch(/Sort|Seq Scan|Bitmap/);
  });

  it.each(SEARCHES)(
    'of a tenant by %s reads a page from an index in its order, without the events of others',
    async (_name, filters, index) => {
      const shown = await planOf('tenant-7', filters);
      expect(shown).toContain(`"Index Name":"${OWN_INDEXES[index] ?? index}"`);
      expect(shown).not.toMatch(/Sort|Seq Scan|Bitmap/);
    },
  );

  it.each(SEARCHES)('of a tenant without events by %s reads no event of another tenant', async (_name, filters) => {
    const tenant = 'tenant-without-events';
    const shown = await planOf(tenant, { ...filters, ...(filters.tenant !== undefined && { tenant }) });
    expect(shown).toMatch(/"Index Name":"entries_of_tenant(_and_kind)?"/);
    expect(shown).toContain(`"Index Cond":"((tenant = '${tenant}'::text) AND`);
    expect(shown).not.toMatch(/Sort|Seq Scan|Bitmap/);
  });

  it.each(SEARCHES)('by %s finds exactly the events that match, in both orders', async (_name, filters) => {
    const expected = await administrator.query<{ idx: string }>(
      `SELECT idx FROM audit.entries WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR subject = $2)
       AND ($3::text IS NULL OR call_id = $3) AND ($4::text IS NULL OR kind = $4)
       AND ($5::timestamptz IS NULL OR time >= $5) AND ($6::timestamptz IS NULL OR time < $6) ORDER BY idx LIMIT 3000`,
      ['tenant', 'subject', 'call', 'type', 'from', 'to'].map((name) => filters[name as keyof EventFilters] ?? null),
    );
    const indexes = expected.map(({ idx }) => Number(idx));
    const below = indexes.length === 3000 ? (indexes.at(-1) ?? 0) + 1 : Number.MAX_SAFE_INTEGER;
    const page = await log.page(undefined, filters, { order: 'asc', limit: 3000, below });
    expect(page.map(({ index }) => index)).toEqual(indexes);
    const reversed = await log.page(undefined, filters, { order: 'desc', limit: 3000, below });
    expect(reversed.map(({ index }) => index)).toEqual(indexes.reverse());
  });

  it('finds a late fact by its time, although its index lies among later ones', async () => {
    const [late] = await administrator.transaction(async (tx) => {
      const id = randomUUID();
      await tx.query('SELECT FROM audit.log_state FOR UPDATE');
      await tx.query(
        `INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, recorded_at)
         SELECT size, $1, 'key.rotated', '_installation', '2020-02-02T00:00:00Z', '{}', 'k', now() FROM audit.log_state`,
        [id],
      );
      await tx.query('UPDATE audit.log_state SET size = size + 1');
      return [id];
    });
    const found = await log.page(undefined, { to: '2020-02-03T00:00:00Z' }, { order: 'desc', limit: 10 });
    expect(found.map(({ id }) => id)).toEqual([late]);
  });

  it('shows a tenant its own events only, whatever it searches for', async () => {
    const [foreign] = await log.page(undefined, { tenant: 'tenant-8' }, { order: 'desc', limit: 1 });
    expect(await log.page('tenant-7', { tenant: 'tenant-8' }, { order: 'desc', limit: 10 })).toEqual([]);
    expect(await log.event('tenant-7', foreign?.id ?? '')).toBeUndefined();
    expect((await log.event('tenant-8', foreign?.id ?? ''))?.index).toBe(foreign?.index);
    const own = await log.page('tenant-7', {}, { order: 'desc', limit: 200 });
    expect(new Set(own.map(({ tenant }) => tenant))).toEqual(new Set(['tenant-7']));
  });

  it('skips and doubles no event while four writers add entries, in ascending pages up to the last one', async () => {
    const tenant = 'busy';
    const first = await log.size();
    let isWriting = true;
    const writers = Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let batch = 0; batch < 15; batch++) await addEntries(administrator, 1 + (batch % 7), tenant);
      }),
    ).finally(() => (isWriting = false));
    const read: number[] = [];
    for (let isLast = false; !isLast;) {
      isLast = !isWriting;
      const page = await log.page(tenant, {}, { order: 'asc', limit: 20, cursor: read.at(-1) ?? first - 1 });
      read.push(...page.map(({ index }) => index));
      isLast &&= page.length < 20;
    }
    await writers;
    const size = await log.size();
    expect(read).toEqual(Array.from({ length: size - first }, (_value, at) => first + at));
    const newestFirst = await allPages(tenant, {}, 'desc', 20);
    expect(newestFirst.map(({ index }) => index)).toEqual(read.reverse());
  });

  it('reports the time of a page by each filter', async () => {
    const report: string[] = [];
    for (const [name, filters] of SEARCHES) {
      const times: number[] = [];
      for (let run = 0; run < (ROWS > 100_000 ? 300 : 10); run++) {
        const at = Math.floor(Math.random() * ROWS);
        const varied = {
          ...filters,
          ...(filters.tenant && { tenant: `tenant-${at % 50}` }),
          ...(filters.subject && { subject: `subject-${at % 5000}` }),
          ...(filters.call && { call: `call-${Math.floor(at / 3)}` }),
          ...(filters.from && { from: timeOf(at), to: timeOf(at + 50_000) }),
        };
        const began = performance.now();
        await log.page(undefined, varied, { order: 'desc', limit: 51, ...(run % 2 === 0 && { cursor: at }) });
        times.push(performance.now() - began);
      }
      times.sort((a, b) => a - b);
      report.push(
        `${name}: p50 ${times[times.length >> 1]?.toFixed(1)} ms, p99 ${times[Math.floor(times.length * 0.99)]?.toFixed(1)} ms`,
      );
    }
    if (ROWS > 100_000) process.stdout.write(`${ROWS} events\n${report.join('\n')}\n`);
    expect(report).toHaveLength(SEARCHES.length);
  }, 600_000);
});
