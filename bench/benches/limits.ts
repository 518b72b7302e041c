import { randomInt, randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { openDatabase, type Database } from '@countersign/persistence';
import { Pool } from 'pg';
import { RateLimiterPostgres } from 'rate-limiter-flexible';
import { RATE_LIMIT_MIGRATIONS } from '../../apps/rate-limit/migrations/index.js';
import { type LimitRequest } from '../../apps/rate-limit/src/limits/limit.decision.js';
import { type LimitRule } from '../../apps/rate-limit/src/limits/rule.decision.js';
import { PostgresLimitStore } from '../../apps/rate-limit/src/limits/limit.store.js';
import { keepInFlight, latency, median, type Latency } from '../figures.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';

/**
 * Decisions of the rate limiter's store over many callers, beside rate-limiter-flexible over the same PostgreSQL, in turn,
 * in one run; and how many requests each admits in one window that spans the border of two windows of the other.
 */
interface Rate extends Latency {
  readonly perSecond: number;
}

const given = options({ rounds: '3', seconds: '5', 'in-flight': '64', keys: '10000' });
const [seconds, inFlight, keyCount] = [Number(given.seconds), Number(given['in-flight']), Number(given.keys)];
const LIMIT = 10;
const BORDER_SECONDS = 4;
const WIDE: LimitRule = { limit: 1_000_000, periodSeconds: 60 };
const callers = Array.from({ length: keyCount }, () => randomUUID());
const [agent, tenant] = [randomUUID(), randomUUID()];

/** All six limits of a request of the product; each caller has one call and one subject. */
function question(caller: string, rule: LimitRule): LimitRequest {
  const check = (dimension: LimitRequest['checks'][number]['dimension'], key: string, of: LimitRule) => ({
    ...{ dimension, key, rule: of, shadow: false },
  });
  return {
    checks: [
      check('caller', caller, rule),
      check('call', randomUUID(), { limit: LIMIT, periodSeconds: 600 }),
      check('subject', caller.replace(/^./, 'f'), WIDE),
      check('agent', agent, WIDE),
      check('tenant', tenant, WIDE),
      check('subjectsPerCaller', caller, { limit: 5, periodSeconds: 3600 }),
    ],
    command: String(randomInt(2 ** 47)),
    repeatSeconds: 60,
    member: '1',
  };
}

const anyCaller = (): string => callers[randomInt(callers.length)] ?? '';

async function rateOf(decide: () => Promise<unknown>): Promise<Rate> {
  const begun = performance.now();
  const times = await keepInFlight(inFlight, seconds, async () => void (await decide()));
  return { perSecond: (times.length * 1000) / (performance.now() - begun), ...latency(times) };
}

/**
 * The largest number of requests that is certainly admitted in one window, when a flood crosses the border of two windows.
 * A request counts from its sending to its answer, because the store decides at some moment between the two.
 */
async function mostInWindow(admit: () => Promise<boolean>): Promise<number> {
  const period = BORDER_SECONDS * 1000;
  const begun = performance.now();
  const passed: { sent: number; answered: number }[] = [];
  const decide = async (): Promise<boolean> => {
    const sent = performance.now() - begun;
    const admitted = await admit();
    if (admitted) passed.push({ sent, answered: performance.now() - begun });
    return admitted;
  };
  await decide();
  // The rest of the limit is used just before the border, and the flood follows after it.
  await new Promise((resolve) => setTimeout(resolve, period * 0.9));
  while (performance.now() - begun < period * 1.5) {
    if (!(await decide())) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const within = (from: number): number =>
    passed.filter(({ sent, answered }) => sent >= from && answered < from + period).length;
  return Math.max(...passed.map(({ sent }) => within(sent)));
}

const ours: Rate[] = [];
const peers: Rate[] = [];
const border = { ours: 0, peer: 0 };
await BenchRig.with(async (rig) => {
  const url = rig.databaseUrl;
  const migrations = RATE_LIMIT_MIGRATIONS;
  const database: Database = await openDatabase({ url, schema: 'rate_limit', migrations, applicationName: 'bench' });
  const pool = new Pool({ connectionString: url, max: 10 });
  const store = new PostgresLimitStore(database);
  const peerOf = (points: number, duration: number, keyPrefix: string): Promise<RateLimiterPostgres> =>
    new Promise((resolve, reject) => {
      const made: RateLimiterPostgres = new RateLimiterPostgres(
        { storeClient: pool, points, duration, keyPrefix, tableName: 'peer_limits' },
        (error?: Error) => (error ? reject(error) : setImmediate(() => resolve(made))),
      );
    });
  const admits = async (peer: RateLimiterPostgres, key: string): Promise<boolean> =>
    peer.consume(key).then(
      () => true,
      (refused: unknown) => {
        if (refused instanceof Error) throw refused;
        return false;
      },
    );
  try {
    const peer = await peerOf(LIMIT, 60, 'rate');
    for (let round = 1; round <= Number(given.rounds); round++) {
      say(`round ${round} of ${given.rounds}: rate-limiter-flexible, then this limiter`);
      peers.push(await rateOf(() => admits(peer, anyCaller())));
      ours.push(await rateOf(() => store.admit(question(anyCaller(), { limit: LIMIT, periodSeconds: 60 }))));
    }
    say('the border of a window');
    const short = await peerOf(LIMIT, BORDER_SECONDS, 'border');
    const key = randomUUID();
    border.peer = await mostInWindow(() => admits(short, key));
    const rule = { limit: LIMIT, periodSeconds: BORDER_SECONDS };
    border.ours = await mostInWindow(async () => (await store.admit(question(key, rule))).admitted);
  } finally {
    await pool.end();
    await database.close();
  }
});

const of = (rates: readonly Rate[], read: (rate: Rate) => number): number => median(rates.map(read));
const table = [
  ['decisions per second', of(ours, (rate) => rate.perSecond), of(peers, (rate) => rate.perSecond)],
  ['p50 ms', of(ours, (rate) => rate.p50), of(peers, (rate) => rate.p50)],
  ['p99 ms', of(ours, (rate) => rate.p99), of(peers, (rate) => rate.p99)],
] as const;
process.stdout.write(
  `${[
    '',
    `${keyCount} callers, ${inFlight} in flight: this limiter (six limits) | rate-limiter-flexible (one limit)`,
    ...table.map(([name, our, peer]) => row(name, `${our.toFixed(1)} | ${peer.toFixed(1)}`)),
    row(`most in any window of a limit of ${LIMIT}`, `${border.ours} | ${border.peer}`),
  ].join('\n')}\n`,
);
keep('limits', {
  at: new Date().toISOString(),
  cores: availableParallelism(),
  inFlight,
  keyCount,
  ours,
  peers,
  border,
});
