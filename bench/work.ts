import { processorUse } from '@countersign/testing';
import { Client } from 'pg';
import { median } from './figures.js';
import { type Installation } from './installation.js';
import { table } from './report.js';

/** What is measured of a process, and its heading. Times are milliseconds of processor time. */
const CAUSES = {
  ms: 'ms',
  mainThreadMs: 'event loop',
  hashThreadsMs: 'hash threads',
  otherThreadsMs: 'other threads',
  systemMs: 'in the kernel',
  // By the clock: it includes waiting for a processor, and the part that runs in other threads.
  garbageMs: 'collecting garbage, elapsed',
  waits: 'waits',
  preemptions: 'preemptions',
  sends: 'messages sent',
  commits: 'commits',
  walRecords: 'WAL records',
};

/** The work of one process, all together or for one verification. What a process does not have is missing. */
export type Work = Partial<Record<keyof typeof CAUSES, number>>;
/** By process. */
export type Works = Readonly<Record<string, Work>>;

/** Processes of the servers, which are measured with the services. */
export interface MeasuredServers {
  readonly pids: Readonly<Record<string, number>>;
  readonly databaseUrl: string;
}

/** The work of every process since its start; empty on systems without /proc. */
export async function readWorks(product: Installation, servers: MeasuredServers): Promise<Works> {
  const works: Record<string, Work> = {};
  for (const [app, pid] of Object.entries(product.pids)) {
    const counted = await readMetrics(product.opsUrls[app] ?? '');
    const use = processorUse(pid);
    if (use) works[app] = { ...use, ...counted };
  }
  const counted = await readDatabase(servers.databaseUrl);
  for (const [server, pid] of Object.entries(servers.pids)) {
    const use = processorUse(pid);
    if (!use) continue;
    // Threads of servers have other meanings.
    const { ms, systemMs, waits, preemptions } = use;
    works[server] = { ms, systemMs, waits, preemptions, ...(server === 'postgres' && counted) };
  }
  return works;
}

async function readMetrics(opsUrl: string): Promise<Work> {
  const lines = (await (await fetch(`${opsUrl}/metrics`)).text()).split('\n');
  const sum = (name: string): number =>
    lines
      .filter((line) => line.startsWith(`${name}{`))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  return {
    garbageMs: sum('nodejs_gc_duration_seconds_sum') * 1000,
    sends: sum('countersign_send_seconds_count'),
  };
}

async function readDatabase(url: string): Promise<Work> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ commits: string; records: string }>(
      `SELECT sum(xact_commit) AS commits, (SELECT wal_records FROM pg_stat_wal) AS records FROM pg_stat_database`,
    );
    return { commits: Number(rows[0]?.commits), walRecords: Number(rows[0]?.records) };
  } finally {
    await client.end();
  }
}

/** The work of one of `count` verifications between two readings. */
export function workOfEach(before: Works, after: Works, count: number): Works {
  const each = ([name, work]: [string, Work]): [string, Work] => [
    name,
    mapWork(work, (value, cause) => (value - (before[name]?.[cause] ?? NaN)) / count),
  ];
  return Object.fromEntries(Object.entries(after).map(each));
}

/** The median of each figure over rounds. */
export function medianWorks(rounds: readonly Works[]): Works {
  const processes = Object.entries(rounds.at(-1) ?? {});
  return Object.fromEntries(
    processes.map(([name, work]) => [
      name,
      mapWork(work, (_, cause) => median(rounds.flatMap((round) => round[name]?.[cause] ?? []))),
    ]),
  );
}

function mapWork(work: Work, change: (value: number, cause: keyof Work) => number): Work {
  return Object.fromEntries(Object.entries(work).map(([cause, value]) => [cause, change(value, cause as keyof Work)]));
}

/** Processor milliseconds of one verification in all processes. */
export const sumOf = (works: Works): number => Object.values(works).reduce((sum, { ms = 0 }) => sum + ms, 0);

/** The part of the report with the work of one verification, by process and by cause. */
export function workTable(works: Works): string {
  const causes = Object.keys(CAUSES) as (keyof Work)[];
  const cells = (work: Work): string[] => causes.map((cause) => work[cause]?.toFixed(2) ?? '');
  return [
    `processor time of one verification: ${sumOf(works).toFixed(2)} ms; by process and by cause`,
    '',
    table(
      ['process', ...causes.map((cause) => CAUSES[cause])],
      Object.entries(works).map(([name, work]) => [name, ...cells(work)]),
    ),
  ].join('\n');
}
