import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/persistence';
import { startKafka } from '@countersign/testing';
import { measure } from './children.js';
import { median, type Latency } from './figures.js';
import { keep, row, say } from './report.js';
import { install, type Layout } from './installation.js';
import { options } from './options.js';
import { processorMs } from './processor-time.js';

/**
 * The whole path over a real Apache Kafka and a real, durable PostgreSQL, beside a bare argon2 loop and a bare Kafka
 * round trip, in turn, in one run.
 */
interface Rate extends Partial<Latency> {
  readonly perSecond: number;
}

const given = options({ rounds: '3', seconds: '10', 'in-flight': '64', layout: 'separate' });
const rounds = Number(given.rounds);
const seconds = Number(given.seconds);
const inFlight = Number(given['in-flight']);
const layout = given.layout as Layout;
const note = (name: string, ms: number): void => void costs.set(name, [...(costs.get(name) ?? []), ms]);

const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
// PostgreSQL does not run as root; the account that it runs as instead has to enter.
chmodSync(folder, 0o755);
const closers: (() => Promise<void>)[] = [];
const loops: Rate[] = [];
const paths: Rate[] = [];
let roundTrip: Rate;
/** Processor milliseconds of one verification, by process, over all rounds. */
const costs = new Map<string, number[]>();
try {
  say('starting Apache Kafka and PostgreSQL…');
  const kafka = await startKafka({ optimised: true });
  closers.push(() => kafka.close());
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
  closers.push(() => postgres.close());
  const brokers = kafka.brokers.join(',');
  // First, because it also warms the broker's compiler up: a broker in service has been running for longer than a minute.
  say('bare Kafka round trip');
  roundTrip = await measure<Rate>('kafka-round-trip.js', [brokers, Math.max(15, seconds), 50]);
  say('starting the services, enrolling subjects…');
  const product = await install(layout, { brokers, databaseUrl: postgres.url, folder, subjects: 200 });
  closers.push(() => product.close());
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}: bare argon2 loop, then the whole path`);
    loops.push(await measure<Rate>('argon-loop.js', [seconds]));
    const plan = { url: product.swaigUrl, ...product, seconds, warmUpSeconds: round === 1 ? 20 : 3, inFlight };
    const pids = { ...product.pids, kafka: kafka.processes[0]?.pid ?? 0, postgres: postgres.pid };
    const before = Object.entries(pids).map(([name, pid]) => [name, processorMs(pid)] as const);
    const path = await measure<Rate & { done: number; ownMs: number }>('load.js', [], JSON.stringify(plan));
    paths.push(path);
    for (const [name, ms] of before) {
      const after = processorMs(pids[name as keyof typeof pids]);
      if (ms !== undefined && after !== undefined) note(name, (after - ms) / path.done);
    }
    note('load generator', path.ownMs / path.done);
    say(`  ${paths.at(-1)?.perSecond.toFixed(1)} of ${loops.at(-1)?.perSecond.toFixed(1)} per second`);
  }
} finally {
  for (const close of closers.reverse()) await close().catch((error: unknown) => say(String(error)));
  rmSync(folder, { recursive: true, force: true });
}

const ratios = paths.map((path, round) => path.perSecond / (loops[round]?.perSecond ?? NaN));
const processorMsEach = Object.fromEntries(
  [...costs].map(([name, values]) => [name, Number(median(values).toFixed(2))]),
);
const result = {
  at: new Date().toISOString(),
  cores: availableParallelism(),
  layout,
  inFlight,
  rounds,
  seconds,
  share: median(ratios),
  shares: ratios,
  loopPerSecond: median(loops.map((rate) => rate.perSecond)),
  pathPerSecond: median(paths.map((rate) => rate.perSecond)),
  path: { p50: median(paths.map(({ p50 = NaN }) => p50)), p99: median(paths.map(({ p99 = NaN }) => p99)) },
  kafkaRoundTrip: roundTrip,
  processorMsEach,
};
process.stdout.write(
  `${[
    '',
    row(`verified per second, whole path (${layout}, ${inFlight} in flight)`, result.pathPerSecond.toFixed(1)),
    row('verified per second, bare @node-rs/argon2 loop', result.loopPerSecond.toFixed(1)),
    row('share of the bare loop (median of rounds)', result.share.toFixed(3)),
    row('  each round', ratios.map((ratio) => ratio.toFixed(3)).join(' ')),
    row('whole path, p50 / p99 ms', `${result.path.p50.toFixed(0)} / ${result.path.p99.toFixed(0)}`),
    row('bare Kafka round trips per second', roundTrip.perSecond.toFixed(0)),
    row('bare Kafka round trip, p50 / p99 ms', `${roundTrip.p50?.toFixed(1)} / ${roundTrip.p99?.toFixed(1)}`),
    row('processor ms of one verification, by process', ''),
    ...Object.entries(processorMsEach).map(([name, ms]) => row(`  ${name}`, ms.toFixed(2))),
  ].join('\n')}\n`,
);
keep('verify', result);
