import { join } from 'node:path';
import { measure } from '../children.js';
import { latency, median, type Latency } from '../figures.js';
import { type Installation } from '../installation.js';
import { options } from '../options.js';
import { keep, say, table } from '../report.js';
import { BenchRig, load } from '../rig.js';

/**
 * Latency of right PINs at low load, without hashes and with them, each point in turn with a bare Kafka round trip of one in
 * flight. With `--background`, of status requests, which need no hash, while other callers keep that many hashes waiting.
 */
interface Point {
  readonly name: string;
  readonly inFlight: number;
  readonly perSecond?: number;
  /** The largest accepted p50 without a hash, in bare round trips. */
  readonly goal?: number;
}

const POINTS: readonly Point[] = [
  { name: '1 in flight', inFlight: 1, goal: 4 },
  { name: '4 in flight', inFlight: 4, goal: 5 },
  { name: '16 in flight', inFlight: 16, goal: 7 },
  { name: '5 per second', inFlight: 100, perSecond: 5 },
  { name: '50 per second', inFlight: 100, perSecond: 50, goal: 4 },
];
/** The largest accepted p99 with a hash at this rate: the hash and this many bare round trips. */
const [HASH_RATE, HASH_ROUND_TRIPS] = [5, 5];
/** So that the p99 of a low rate is not its slowest request. */
const FEWEST_REQUESTS = 100;

interface Rounds {
  readonly hash: boolean;
  readonly point: Point;
  readonly bare: number[];
  /** Milliseconds of each request, by round. */
  readonly times: (readonly number[])[];
}

const given = options({ rounds: '3', seconds: '8', hash: 'both', points: '1,4,16,5/s,50/s', background: '0' });
const [rounds, seconds, background] = [Number(given.rounds), Number(given.seconds), Number(given.background)];
const chosen = given.points
  .split(',')
  .map((point) => point.replace('/s', ' per second').replace(/^\d+$/, '$& in flight'));
const points = POINTS.filter(({ name }) => chosen.includes(name));
const measured: Rounds[] = [];
let hashMs = NaN;
await BenchRig.with(async (rig) => {
  say('warming the broker up');
  await measure<Latency>('kafka-round-trip.js', [rig.brokers, 15, 50]);
  for (const hash of [false, true].filter((one) => given.hash === 'both' || one === (given.hash === 'with'))) {
    const programs = hash ? {} : { verification: join('bench', 'verification-without-hash.js') };
    const databaseUrl = await rig.createDatabase();
    const product = await rig.install('separate', { subjects: 200, programs, databaseUrl });
    await load(product, { seconds: 1, warmUpSeconds: 15, inFlight: 16 });
    if (hash) hashMs = (await measure<Latency>('argon-loop.js', [5, 1])).p50;
    const all = points.map((point): Rounds => ({ hash, point, bare: [], times: [] }));
    for (let round = 1; round <= rounds; round++) {
      for (const one of all) {
        one.bare.push((await measure<Latency>('kafka-round-trip.js', [rig.brokers, 4, 1])).p50);
        one.times.push(await timesOf(product, one.point));
        const { p50, p99 } = latency(one.times.at(-1) ?? []);
        const figures = `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, bare ${one.bare.at(-1)?.toFixed(1)} ms`;
        say(`${hash ? 'with hash' : 'without hash'}, round ${round}, ${one.point.name}: ${figures}`);
      }
    }
    measured.push(...all);
    await product.close();
  }
});

async function timesOf(product: Installation, point: Point): Promise<readonly number[]> {
  const longEnough = Math.max(seconds, FEWEST_REQUESTS / (point.perSecond ?? Infinity));
  const plan = { ...point, seconds: longEnough, warmUpSeconds: 1 };
  if (background === 0) return (await load(product, plan)).times;
  // Callers of their own: a status request of a caller who was verified has another answer.
  const half = Math.floor(product.callers.length / 2);
  const hashing = { ...product, callers: product.callers.slice(half) };
  const waiting = load(hashing, { seconds: longEnough + 2, warmUpSeconds: 1, inFlight: background });
  const [{ times }] = await Promise.all([
    load({ ...product, callers: product.callers.slice(0, half) }, { ...plan, request: 'status' }),
    waiting,
  ]);
  return times;
}

const lines = measured.map(({ hash, point, bare, times }) => {
  const all = latency(times.flat());
  const roundTrip = median(bare);
  const multiple = median(times.map((one, round) => latency(one).p50 / (bare[round] ?? NaN)));
  const most = hashMs + HASH_ROUND_TRIPS * roundTrip;
  const goal =
    background > 0
      ? ''
      : hash && point.perSecond === HASH_RATE
        ? `p99 at most ${most.toFixed(1)}: ${all.p99 <= most ? 'reached' : 'missed'}`
        : !hash && point.goal !== undefined
          ? `p50 at most ${point.goal} round trips: ${multiple <= point.goal ? 'reached' : 'missed'}`
          : '';
  return { hash, point: point.name, ...all, requests: times.flat().length, roundTrip, multiple, goal };
});
process.stdout.write(
  `\n${table(
    ['load', 'hash', 'requests', 'p50 ms', 'p99 ms', 'bare round trip, p50 ms', 'p50 in round trips', 'goal'],
    lines.map(({ point, hash, requests, p50, p99, roundTrip, multiple, goal }) => [
      background > 0 ? `status, ${point}, beside ${background} right PINs in flight` : point,
      ...[hash ? 'yes' : 'no', String(requests), p50.toFixed(1), p99.toFixed(1), roundTrip.toFixed(2)],
      ...[multiple.toFixed(1), goal],
    ]),
  )}\n${Number.isNaN(hashMs) ? '' : `\na hash alone takes ${hashMs.toFixed(1)} ms\n`}`,
);
keep(background > 0 ? 'quiet-background' : 'quiet', { at: new Date().toISOString(), background, hashMs, lines });
