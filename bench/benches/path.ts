import { join } from 'node:path';
import { measure } from '../children.js';
import { median, type Latency } from '../figures.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';
import { medianWorks, workTable, type Works } from '../work.js';

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
const bare: Rate[] = [];
const paths: (Rate & { readonly works: Works })[] = [];
await BenchRig.with(async (rig) => {
  const programs = { verification: join('bench', 'verification-without-hash.js') };
  const product = await rig.install('separate', { subjects: 200, programs });
  say('warming the broker up');
  await measure<Rate>('kafka-round-trip.js', [rig.brokers, 15, inFlight]);
  for (let round = 1; round <= Number(given.rounds); round++) {
    bare.push(await measure<Rate>('kafka-round-trip.js', [rig.brokers, seconds, inFlight]));
    paths.push(await rig.path(product, { seconds, warmUpSeconds: round === 1 ? 15 : 3, inFlight }));
    say(`round ${round}: p50 ${paths.at(-1)?.p50.toFixed(1)} ms, bare ${bare.at(-1)?.p50.toFixed(1)} ms`);
  }
});

const times = (read: (rate: Rate) => number): [number, number, number] => [
  median(bare.map(read)),
  median(paths.map(read)),
  median(paths.map((path, round) => read(path) / read(bare[round] as Rate))),
];
const [p50, p99, perSecond] = [times((rate) => rate.p50), times((rate) => rate.p99), times((rate) => rate.perSecond)];
const works = medianWorks(paths.map((path) => path.works));
process.stdout.write(
  `${[
    '',
    workTable(works),
    '',
    `${inFlight} in flight; bare Kafka round trip, whole path without argon2, and their ratio`,
    row('p50 ms', `${p50[0].toFixed(1)}  ${p50[1].toFixed(1)}  ${p50[2].toFixed(2)}`),
    row('p99 ms', `${p99[0].toFixed(1)}  ${p99[1].toFixed(1)}  ${p99[2].toFixed(2)}`),
    row('per second', `${perSecond[0].toFixed(0)}  ${perSecond[1].toFixed(0)}  ${perSecond[2].toFixed(2)}`),
  ].join('\n')}\n`,
);
keep('path', { at: new Date().toISOString(), inFlight, p50, p99, perSecond, works });
