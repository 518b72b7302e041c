import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/persistence';
import { startKafka } from '@countersign/testing';
import { measure } from './children.js';
import { median, type Latency } from './figures.js';
import { install } from './installation.js';
import { options } from './options.js';
import { processorMs } from './processor-time.js';
import { keep, row, say } from './report.js';

/**
 * The whole path without argon2, from the HTTP request to the answer, over a real Apache Kafka and a real, durable
 * PostgreSQL, beside a bare Kafka round trip of the same client, in turn, in one run.
 */
interface Rate extends Latency {
  readonly perSecond: number;
}

const given = options({ rounds: '3', seconds: '8', 'in-flight': '50' });
const seconds = Number(given.seconds);
const inFlight = Number(given['in-flight']);
const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
chmodSync(folder, 0o755);
const closers: (() => Promise<void>)[] = [];
const bare: Rate[] = [];
const paths: Rate[] = [];
const costs = new Map<string, number[]>();
const note = (name: string, ms: number): void => void costs.set(name, [...(costs.get(name) ?? []), ms]);
try {
  say('starting Apache Kafka, PostgreSQL and the services…');
  const kafka = await startKafka({ optimised: true });
  closers.push(() => kafka.close());
  const brokers = kafka.brokers.join(',');
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
  closers.push(() => postgres.close());
  const product = await install('separate', {
    ...{ brokers, databaseUrl: postgres.url, folder, subjects: 200 },
    programs: { verification: join('bench', 'verification-without-hash.js') },
  });
  closers.push(() => product.close());
  say('warming the broker up');
  await measure<Rate>('kafka-round-trip.js', [brokers, 15, inFlight]);
  for (let round = 1; round <= Number(given.rounds); round++) {
    bare.push(await measure<Rate>('kafka-round-trip.js', [brokers, seconds, inFlight]));
    const plan = { url: product.swaigUrl, ...product, seconds, warmUpSeconds: round === 1 ? 15 : 3, inFlight };
    const pids = { ...product.pids, kafka: kafka.processes[0]?.pid ?? 0, postgres: postgres.pid };
    const before = Object.entries(pids).map(([name, pid]) => [name, processorMs(pid)] as const);
    const path = await measure<Rate & { done: number; ownMs: number }>('load.js', [], JSON.stringify(plan));
    for (const [name, ms] of before) {
      const after = processorMs(pids[name as keyof typeof pids]);
      if (ms !== undefined && after !== undefined) note(name, (after - ms) / path.done);
    }
    note('load generator', path.ownMs / path.done);
    paths.push(path);
    say(`round ${round}: p50 ${path.p50.toFixed(1)} ms, bare ${bare.at(-1)?.p50.toFixed(1)} ms`);
  }
} finally {
  for (const close of closers.reverse()) await close().catch((error: unknown) => say(String(error)));
  rmSync(folder, { recursive: true, force: true });
}

const times = (read: (rate: Rate) => number): [number, number, number] => [
  median(bare.map(read)),
  median(paths.map(read)),
  median(paths.map((path, round) => read(path) / read(bare[round] as Rate))),
];
const [p50, p99, perSecond] = [times((rate) => rate.p50), times((rate) => rate.p99), times((rate) => rate.perSecond)];
const processorMsEach = Object.fromEntries(
  [...costs].map(([name, values]) => [name, Number(median(values).toFixed(2))]),
);
process.stdout.write(
  `${[
    '',
    `${inFlight} in flight; bare Kafka round trip, whole path without argon2, and their ratio`,
    row('p50 ms', `${p50[0].toFixed(1)}  ${p50[1].toFixed(1)}  ${p50[2].toFixed(2)}`),
    row('p99 ms', `${p99[0].toFixed(1)}  ${p99[1].toFixed(1)}  ${p99[2].toFixed(2)}`),
    row('per second', `${perSecond[0].toFixed(0)}  ${perSecond[1].toFixed(0)}  ${perSecond[2].toFixed(2)}`),
    'processor ms of one verification, by process',
    ...Object.entries(processorMsEach).map(([name, ms]) => row(`  ${name}`, ms.toFixed(2))),
  ].join('\n')}\n`,
);
keep('path', { at: new Date().toISOString(), inFlight, p50, p99, perSecond, processorMsEach });
