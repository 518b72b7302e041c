import { availableParallelism } from 'node:os';
import { measure } from '../children.js';
import { median, type Latency } from '../figures.js';
import { type Layout } from '../installation.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';
import { medianWorks, workTable, type Works } from '../work.js';

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
const loops: Rate[] = [];
const paths: (Rate & { readonly works: Works })[] = [];
let roundTrip: Rate = { perSecond: NaN };
await BenchRig.with(async (rig) => {
  // First, because it also warms up the broker's compiler: a broker in service has run for longer than a minute.
  say('bare Kafka round trip');
  roundTrip = await measure<Rate>('kafka-round-trip.js', [rig.brokers, Math.max(15, seconds), 50]);
  const product = await rig.install(layout, { subjects: 200 });
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}: bare argon2 loop, then the whole path`);
    loops.push(await measure<Rate>('argon-loop.js', [seconds]));
    paths.push(await rig.path(product, { seconds, warmUpSeconds: round === 1 ? 20 : 3, inFlight }));
    say(`  ${paths.at(-1)?.perSecond.toFixed(1)} of ${loops.at(-1)?.perSecond.toFixed(1)} per second`);
  }
});

const ratios = paths.map((path, round) => path.perSecond / (loops[round]?.perSecond ?? NaN));
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
  works: medianWorks(paths.map((path) => path.works)),
};
process.stdout.write(
  `${[
    '',
    workTable(result.works),
    '',
    row(`verified per second, whole path (${layout}, ${inFlight} in flight)`, result.pathPerSecond.toFixed(1)),
    row('verified per second, bare @node-rs/argon2 loop', result.loopPerSecond.toFixed(1)),
    row('share of the bare loop (median of rounds)', result.share.toFixed(3)),
    row('  each round', ratios.map((ratio) => ratio.toFixed(3)).join(' ')),
    row('whole path, p50 / p99 ms', `${result.path.p50.toFixed(0)} / ${result.path.p99.toFixed(0)}`),
    row('bare Kafka round trips per second', roundTrip.perSecond.toFixed(0)),
    row('bare Kafka round trip, p50 / p99 ms', `${roundTrip.p50?.toFixed(1)} / ${roundTrip.p99?.toFixed(1)}`),
  ].join('\n')}\n`,
);
keep('verify', result);
