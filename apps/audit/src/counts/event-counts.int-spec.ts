import { factRecorded, type FactKind } from '@countersign/contracts';
import { openLogBed, TEST_ORIGIN, type LogBed } from '../../test/log-bed.js';
import { metricValue } from '@countersign/testing';
import { trailEntry } from '../../test/audit-trail.contract.js';
import { type TrailEntry } from '../trail/trail.ports.js';
import { PostgresAuditTrail } from '../trail/audit-trail.store.js';
import { PostgresLogSequencer } from '../log/log-sequencer.store.js';
import { countedEvent } from './counted-event.decision.js';
import { attackGauges } from './attack-gauges.js';
import { KEPT_DAYS, PostgresEventCounts } from './event-counts.store.js';
import { ReadEventCounts } from './read-event-counts.use-case.js';

const HOUR = { step: 'hour', from: new Date('2026-11-22T10:00:00Z'), to: new Date('2026-11-22T12:00:00Z') } as const;

const entryOf = (kind: FactKind, time: string, fields: object = {}, tenant = 'acme'): TrailEntry => {
  const fact = factRecorded(kind, new Date(time), { tenant, ...fields });
  return trailEntry({ kind, time, tenant, counted: countedEvent(fact) });
};

describe('the counts of events', () => {
  let bed: LogBed;
  let counts: PostgresEventCounts;
  let read: ReadEventCounts;
  beforeAll(async () => {
    bed = await openLogBed();
    counts = new PostgresEventCounts(bed.service);
    read = new ReadEventCounts(counts);
  });
  afterAll(() => bed.close());

  it('grow by each event once, although two copies record each fact twice', async () => {
    const entries = [
      ...Array.from({ length: 60 }, (_, minute) =>
        entryOf('attempt.decided', `2026-11-22T10:${String(minute).padStart(2, '0')}:59.999Z`, { outcome: 'rejected' }),
      ),
      entryOf('attempt.decided', '2026-11-22T11:00:00.000Z', { outcome: 'verified' }),
      entryOf('limit.refused', '2026-11-22T11:00:01.000Z', { detail: { dimension: 'caller', count: 500 } }),
      entryOf('limit.refused', '2026-11-22T11:59:59.000Z', { detail: { dimension: 'caller', count: 2 } }),
      entryOf('credential.locked', '2026-11-22T11:30:00.000Z'),
      entryOf('signal.spray', '2026-11-22T11:30:00.000Z'),
      entryOf('tenant.changed', '2026-11-22T11:30:00.000Z'),
      entryOf('attempt.decided', '2026-11-22T11:30:00.000Z', { outcome: 'verified' }, 'umbrella'),
    ];
    const copies = [bed.service, await bed.openCopy()];
    for (const database of [...copies, ...copies]) {
      const trail = new PostgresAuditTrail(new PostgresLogSequencer(database, TEST_ORIGIN));
      await Promise.all(entries.map((entry) => trail.append(entry)));
    }
    const [ten, eleven] = ['2026-11-22T10:00:00.000Z', '2026-11-22T11:00:00.000Z'];
    const none = { refusals: {}, signals: {}, locked: 0, disabled: 0 };
    expect(await read.read('acme', HOUR)).toEqual([
      { time: ten, attempts: { rejected: 60 }, ...none },
      {
        ...{ time: eleven, attempts: { verified: 1 }, refusals: { caller: 502 }, signals: { spray: 1 } },
        ...{ locked: 1, disabled: 0 },
      },
    ]);
    expect(await read.read('umbrella', HOUR)).toEqual([{ time: eleven, attempts: { verified: 1 }, ...none }]);
    expect((await read.read(undefined, HOUR))[1]?.attempts).toEqual({ verified: 2 });
    const minutes = await read.read('acme', { ...HOUR, step: 'minute', to: new Date('2026-11-22T10:30:00Z') });
    expect(minutes.map(({ attempts }) => attempts)).toEqual(Array.from({ length: 30 }, () => ({ rejected: 1 })));
    expect(await read.read('acme', { ...HOUR, step: 'day', from: new Date('2026-11-22T00:00:00Z') })).toMatchObject([
      { time: '2026-11-22T00:00:00.000Z', attempts: { rejected: 60, verified: 1 } },
    ]);
  });

  it('stay as they were when the transaction of the log does not commit', async () => {
    const before = await read.read('acme', HOUR);
    const entry = entryOf('attempt.decided', '2026-11-22T10:00:00.000Z', { outcome: 'rejected' });
    await expect(new PostgresLogSequencer(bed.service, 'log.example/other').sequence(16, [entry])).rejects.toThrow();
    expect(await read.read('acme', HOUR)).toEqual(before);
  });

  it('are visible to statements of their tenant alone', async () => {
    const rows = await bed.service.forTenants(['umbrella']).query('SELECT tenant FROM audit.event_counts');
    expect(rows).toEqual([{ tenant: 'umbrella' }, { tenant: 'umbrella' }]);
    expect(await bed.service.query('SELECT FROM audit.event_counts')).toEqual([]);
  });

  it('are removed after the days that their step is kept', async () => {
    const add = (step: string, days: number): Promise<unknown> =>
      bed.administrator.query(
        `INSERT INTO audit.event_counts SELECT 'purged', $1, now() - make_interval(days => $2), 'signal.spray', '', 1`,
        [step, days],
      );
    for (const [step, days] of Object.entries(KEPT_DAYS)) for (const age of [days - 1, days + 1]) await add(step, age);
    await counts.purge();
    const kept = await bed.administrator.query<{ step: string; age: number }>(
      `SELECT step, extract(day FROM now() - start_time)::int AS age FROM audit.event_counts
       WHERE tenant = 'purged' ORDER BY step`,
    );
    expect(kept).toEqual([
      { step: 'hour', age: KEPT_DAYS.hour - 1 },
      { step: 'minute', age: KEPT_DAYS.minute - 1 },
    ]);
  });

  it('show the signals of the last ten minutes, and how many tenants they are about', async () => {
    const value = async (name: string): Promise<number[]> => {
      const kinds = ['signal.pin_spray', 'signal.distributed'];
      return Promise.all(kinds.map((kind) => metricValue(name, { kind })));
    };
    const trail = new PostgresAuditTrail(new PostgresLogSequencer(bed.service, TEST_ORIGIN));
    const secondsAgo = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();
    const signals = { 0: 'acme', 120: 'acme', 240: 'umbrella', 700: 'globex' };
    for (const [seconds, tenant] of Object.entries(signals))
      await trail.append(entryOf('signal.pin_spray', secondsAgo(Number(seconds)), {}, tenant));
    const hiders = attackGauges(counts);
    expect(await value('countersign_attack_signals')).toEqual([3, 0]);
    expect(await value('countersign_attacked_tenants')).toEqual([2, 0]);
    for (const hide of hiders) hide();
  });
});
