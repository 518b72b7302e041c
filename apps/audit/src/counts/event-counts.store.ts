import { Injectable } from '@nestjs/common';
import { Database } from '@countersign/persistence';
import { EventCountLog, type CountedPeriod, type CountedStep, type RecentSignals } from './event-counts.ports.js';

/** Days for which the rows of a step are kept. Bounds the table: a tenant has about 20 rows for each step at most. */
export const KEPT_DAYS = { minute: 8, hour: 400 } as const;

/** $1 step of the answer, $2 step of the rows, $3 from, $4 to, $5 tenant */
const READ = (condition: string): string => `
SELECT date_trunc($1, start_time, 'UTC') AS time, kind, variant, sum(count)::text AS count
FROM audit.event_counts
WHERE step = $2 AND start_time >= $3 AND start_time < $4 ${condition}
GROUP BY 1, kind, variant
ORDER BY 1`;
const READ_ALL = READ('');
const READ_TENANT = READ('AND tenant = $5');

/** $1 minutes. A row has the events of a whole minute, so those of the minute that is only partly in the period are left out. */
const RECENT_SIGNALS = `
SELECT kind, sum(count)::float8 AS signals, count(DISTINCT tenant)::int AS tenants
FROM audit.event_counts
WHERE step = 'minute' AND start_time > statement_timestamp() - make_interval(mins => $1) AND kind LIKE 'signal.%'
GROUP BY kind`;

/** $1 step, $2 days */
const PURGE = `
DELETE FROM audit.event_counts WHERE step = $1 AND start_time < statement_timestamp() - make_interval(days => $2)`;

/** The counts that the sequencer keeps in PostgreSQL. */
@Injectable()
export class PostgresEventCounts extends EventCountLog {
  constructor(private readonly database: Database) {
    super();
  }

  override async counts(tenant: string | undefined, { step, from, to }: CountedPeriod): Promise<CountedStep[]> {
    const values = [step, step === 'minute' ? 'minute' : 'hour', from, to];
    type Row = Omit<CountedStep, 'count'> & { readonly count: string };
    // Not prepared: a plan for any period would read all rows.
    const rows = await (tenant === undefined
      ? this.database.forAllTenants().query<Row>(READ_ALL, values)
      : this.database.forTenants([tenant]).query<Row>(READ_TENANT, [...values, tenant]));
    return rows.map((row) => ({ ...row, count: Number(row.count) }));
  }

  override recentSignals(minutes: number): Promise<RecentSignals[]> {
    return this.database.forAllTenants().query<RecentSignals>(RECENT_SIGNALS, [minutes]);
  }

  /** Removes rows that are older than {@link KEPT_DAYS}. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async purge(): Promise<void> {
    for (const [step, days] of Object.entries(KEPT_DAYS)) {
      await this.database.forAllTenants().query(PURGE, [step, days]);
    }
  }
}
