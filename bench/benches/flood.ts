import { randomBytes } from 'node:crypto';
import { availableParallelism, loadavg } from 'node:os';
import { measure } from '../children.js';
import { type FloodResult, type FloodPlan } from '../flood-load.js';
import { latency, median } from '../figures.js';
import { type Installation, type LimitsOfBench } from '../installation.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';
import { storeSubjects, type StoredCallers } from '../stored-subjects.js';
import { type BenchAttempt } from '../swaig-client.js';

/**
 * The cost of a flood of callers who are over their limit, over the whole path with a real Apache Kafka and a real, durable
 * PostgreSQL: refusals per second beside verified PINs per second in the same run, and the latency of honest callers.
 */
const given = options({ rounds: '3', seconds: '10', 'in-flight': '64', honest: '5', times: '50', watch: '30' });
const [seconds, watch, inFlight] = [Number(given.seconds), Number(given.watch), Number(given['in-flight'])];
const [honest, flood] = [Number(given.honest), Number(given.honest) * Number(given.times)];
/** So many that each stays far below the limit of a caller. */
const HONEST_CALLERS = 3000;
/** The defaults of the product, without the quotas of agent and tenant, because one agent sends everything. */
const LIMITS: LimitsOfBench = {
  caller: { limit: 10, periodSeconds: 60 },
  call: { limit: 10, periodSeconds: 600 },
  subject: { limit: 20, periodSeconds: 60 },
  subjectsPerCaller: { limit: 5, periodSeconds: 3600 },
};
/** Few callers, each with attempts at four subjects: five are allowed. None of these subjects calls. */
const FLOOD: readonly BenchAttempt[] = Array.from({ length: 16 }, (_, n) => ({
  phone: `+1202557000${n % 4}`,
  pin: '1357',
  customerId: `victim-${n}`,
}));

interface Round {
  readonly verifiedPerSecond: number;
  readonly refusedPerSecond: number;
  /** Of the refusals. */
  readonly p50: number;
  readonly p99: number;
  /** Answers per second to the flood beside the honest callers; skipped: not sent, because too many were in flight. */
  readonly floodPerSecond: number;
  readonly floodSkipped: number;
  readonly floodP50: number;
  readonly floodOutcomes: FloodResult['outcomes'];
  readonly load: number;
}

const rounds: Round[] = [];
const alone: FloodResult[] = [];
const beside: FloodResult[] = [];
const spent: Record<string, number[]> = {};
await BenchRig.with(async (rig) => {
  const [ring, identifier] = [`k1:${randomBytes(32).toString('base64url')}`, randomBytes(32).toString('base64url')];
  // Longer than the default, so that a busy machine shows in the latencies and not as time-outs.
  const env = { CREDENTIAL_KEYS: ring, IDENTIFIER_KEY: identifier, REPLY_TIMEOUT_MS: '20000' };
  const product = await rig.install('separate', { subjects: 1, env, limits: LIMITS });
  const callers = await storeSubjects(rig.databaseUrl, ring, HONEST_CALLERS, HONEST_CALLERS);
  const half = callers.length / 2;
  const [many, few] = [callers.slice(0, half), callers.slice(half)];
  for (let round = 1; round <= Number(given.rounds); round++) {
    say(`round ${round} of ${given.rounds}: verified PINs`);
    const warmUpSeconds = round === 1 ? 20 : 3;
    const verified = await rig.path({ ...product, callers: many }, { seconds, warmUpSeconds, inFlight });
    say('  refusals');
    await sendFlood(product, FLOOD, round === 1 ? 10 : 3, { inFlight });
    const before = rig.processorTimes(product);
    const refusals = await sendFlood(product, FLOOD, seconds, { inFlight });
    const count = refusals.outcomes.refused ?? 0;
    for (const [name, ms] of Object.entries(rig.processorTimes(product))) {
      // Ended sessions of PostgreSQL are missing from its processor time, and refusals do not need it.
      if (name !== 'postgres') note(name, (ms - (before[name] ?? 0)) / count);
    }
    note('load generator', refusals.ownMs / count);
    say('  honest callers alone');
    alone.push(await sendFlood(product, inTurn(few, round), watch, { perSecond: honest }));
    say('  honest callers under a flood');
    const flooding = sendFlood(product, FLOOD, watch + 4, { perSecond: flood });
    // Measure only while the flood runs.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    beside.push(await sendFlood(product, inTurn(few, round + 0.5), watch, { perSecond: honest }));
    const flooded = await flooding;
    rounds.push({
      verifiedPerSecond: verified.perSecond,
      refusedPerSecond: (count * 1000) / refusals.elapsedMs,
      ...latency(refusals.times),
      floodPerSecond: (flooded.times.length * 1000) / flooded.elapsedMs,
      floodSkipped: flooded.skipped,
      floodP50: latency(flooded.times).p50,
      floodOutcomes: flooded.outcomes,
      load: loadavg()[0] ?? NaN,
    });
    const { verifiedPerSecond, refusedPerSecond } = rounds.at(-1) as Round;
    say(`  ${refusedPerSecond.toFixed(0)} refused and ${verifiedPerSecond.toFixed(1)} verified per second`);
  }
});

function sendFlood(
  { swaigUrl: url, authorization }: Installation,
  made: readonly BenchAttempt[],
  forSeconds: number,
  pace: FloodPlan['pace'],
): Promise<FloodResult> {
  const plan: FloodPlan = { url, authorization, attempts: made, seconds: forSeconds, pace };
  return measure<FloodResult>('flood-load.js', [], JSON.stringify(plan));
}

/** The same callers in another order, so that none of them calls again soon. */
function inTurn(callers: StoredCallers, turn: number): StoredCallers {
  const from = Math.floor(turn * 2 * honest * watch) % callers.length;
  return [...callers.slice(from), ...callers.slice(0, from)];
}

function note(name: string, ms: number): void {
  (spent[name] ??= []).push(ms);
}

/** All rounds together: a round alone has too few honest callers for a p99. */
function allRounds(runs: readonly FloodResult[]): {
  p50: number;
  p99: number;
  requests: number;
  outcomes: Record<string, number>;
} {
  const outcomes: Record<string, number> = {};
  for (const run of runs)
    for (const [word, count] of Object.entries(run.outcomes)) outcomes[word] = (outcomes[word] ?? 0) + count;
  const times = runs.flatMap((run) => run.times);
  return { ...latency(times), requests: times.length, outcomes };
}

const of = (read: (round: Round) => number): number => median(rounds.map(read));
const [calm, stormy] = [allRounds(alone), allRounds(beside)];
const ratios = rounds.map(({ refusedPerSecond, verifiedPerSecond }) => refusedPerSecond / verifiedPerSecond);
const msOfRefusal = Object.fromEntries(
  Object.entries(spent).map(([name, ms]) => [name, Number(median(ms).toFixed(2))]),
);
const words = (outcomes: Record<string, number>): string =>
  Object.entries(outcomes)
    .map(([word, count]) => `${count} ${word}`)
    .join(', ');
process.stdout.write(
  `${[
    '',
    row(`verified per second, ${inFlight} in flight`, of((round) => round.verifiedPerSecond).toFixed(1)),
    row(`refused per second, ${inFlight} in flight`, of((round) => round.refusedPerSecond).toFixed(0)),
    row('ratio (median of rounds)', median(ratios).toFixed(1)),
    row('  each round', ratios.map((ratio) => ratio.toFixed(1)).join(' ')),
    row('refusals, p50 / p99 ms', `${of((round) => round.p50).toFixed(0)} / ${of((round) => round.p99).toFixed(0)}`),
    row(`honest callers alone, ${honest} per second, p50 / p99 ms`, `${calm.p50.toFixed(0)} / ${calm.p99.toFixed(0)}`),
    row('  outcomes', words(calm.outcomes)),
    row(`under a flood of ${flood} per second, p50 / p99 ms`, `${stormy.p50.toFixed(0)} / ${stormy.p99.toFixed(0)}`),
    row('  outcomes', words(stormy.outcomes)),
    row('  ratio of p99', (stormy.p99 / calm.p99).toFixed(2)),
    row('  answers to the flood per second, each round', rounds.map((r) => r.floodPerSecond.toFixed(0)).join(' ')),
    row('  attempts of the flood that were not sent', rounds.map((r) => String(r.floodSkipped)).join(' ')),
    row('load of the machine (1 minute) after each round', rounds.map((r) => r.load.toFixed(1)).join(' ')),
    'processor ms of one refusal, by process',
    ...Object.entries(msOfRefusal).map(([name, ms]) => row(`  ${name}`, ms.toFixed(2))),
  ].join('\n')}\n`,
);
keep('flood', {
  at: new Date().toISOString(),
  cores: availableParallelism(),
  ...{ inFlight, seconds, watch, honest, flood, ratio: median(ratios), ratios, rounds },
  ...{ alone: calm, beside: stormy, msOfRefusal },
});
const lost = (of: { outcomes: Record<string, number> }): boolean =>
  Object.keys(of.outcomes).some((word) => word !== 'verified');
if (lost(calm) || lost(stormy)) {
  process.stderr.write('An honest caller was not verified\n');
  process.exitCode = 1;
}
