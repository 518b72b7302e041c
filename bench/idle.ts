import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/persistence';
import { startKafka } from '@countersign/testing';
import { install } from './installation.js';
import { options } from './options.js';
import { processorMs } from './processor-time.js';
import { keep, row, say } from './report.js';

/** What the services cost that have nothing to do: processor time as a share of one core, and memory. */
const given = options({ seconds: '30' });
const seconds = Number(given.seconds);
const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
chmodSync(folder, 0o755);
const closers: (() => Promise<void>)[] = [];
const shares: Record<string, number> = {};
try {
  say('starting Apache Kafka, PostgreSQL and the services…');
  const kafka = await startKafka({ optimised: true });
  closers.push(() => kafka.close());
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
  closers.push(() => postgres.close());
  const plan = { brokers: kafka.brokers.join(','), databaseUrl: postgres.url, folder, subjects: 1 };
  const product = await install('separate', plan);
  closers.push(() => product.close());
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  say(`letting them be for ${seconds} s`);
  // What the start and the enrolment have left behind is no idleness.
  await pause(10_000);
  const times = (): [string, number][] =>
    Object.entries(product.pids).map(([app, pid]) => [app, processorMs(pid) ?? NaN]);
  const before = new Map(times());
  await pause(seconds * 1000);
  for (const [app, ms] of times()) shares[app] = (ms - (before.get(app) ?? NaN)) / (seconds * 1000);
} finally {
  for (const close of closers.reverse()) await close().catch((error: unknown) => say(String(error)));
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(
  `\nprocessor time of an idle service, share of one core\n${Object.entries(shares)
    .map(([app, share]) => row(`  ${app}`, `${(share * 100).toFixed(2)} %`))
    .join('\n')}\n`,
);
keep('idle', { at: new Date().toISOString(), seconds, shares });
