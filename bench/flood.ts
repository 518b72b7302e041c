import { randomBytes } from 'node:crypto';
import { availableParallelism, loadavg } from 'node:os';
import { measure } from './children.js';
import { type FloodHeard, type FloodPlan } from './flood-load.js';
import { latency, median } from './figures.js';
import { type Installation, type LimitsOfBench } from './installation.js';
import { options } from './options.js';
import { keep, row, say } from './report.js';
import { BenchStand } from './stand.js';
import { storeSubjects, type StoredCallers } from './stored-subjects.js';
import { type BenchAttempt } from './swaig-door.js';

/**
 * What a flood of callers who are over their limit costs, over the whole path, a real Apache Kafka and a real, durable
 * PostgreSQL: refusals per second beside verified PINs per second in the same run, and what honest callers notice of it.
 */
const given = options({ rounds: '3', seconds: '10', 'in-flight': '64', honest: '5', times: '50', watch: '30' });
const [seconds, watch, inFlight] = [Number(given.seconds), Number(given.watch), Number(given['in-flight'])];
const [honest, flood] = [Number(given.honest), Number(given.honest) * Number(given.times)];
/** Enough that each of them stays far below the limit of a caller. */
const HONEST_CALLERS = 3000;
/** The defaults of the product, but for the quotas of agent and tenant: one agent makes all of this. */
const LIMITS: LimitsOfBench = {
  caller: { limit: 10, periodSeconds: 60 },
  call: { limit: 10, periodSeconds: 600 },
  subject: { limit: 20, periodSeconds: 60 },
  subjectsPerCaller: { limit: 5, periodSeconds: 3600 },
};
/** Few callers, each guessing at four subjects: a caller may ask about five. None of the subjects calls. */
const GUESSERS: readonly BenchAttempt[] = Array.from({ length: 16 }, (_, n) => ({
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
  /** What the flood beside the honest callers came to, in answers per second; skipped: not sent, too many under way. */
  readonly floodPerSecond: number;
  readonly floodSkipped: number;
  readonly floodP50: number;
  readonly floodHeard: FloodHeard['heard'];
  readonly load: number;
}

const rounds: Round[] = [];
const alone: FloodHeard[] = [];
const beside: FloodHeard[] = [];
const spent: Record<string, number[]> = {};
await BenchStand.with(async (stand) => {
  const [ring, identifier] = [`k1:${randomBytes(32).toString('base64url')}`, randomBytes(32).toString('base64url')];
  // Longer than its default: on a busy machine the times tell, and no answer gets lost.
  const env = { CREDENTIAL_KEYS: ring, IDENTIFIER_KEY: identifier, REPLY_TIMEOUT_MS: '20000' };
  const product = await stand.install('separate', { subjects: 1, env, limits: LIMITS });
  const callers = await storeSubjects(stand.databaseUrl, ring, HONEST_CALLERS, HONEST_CALLERS);
  const half = callers.length / 2;
  const [many, few] = [callers.slice(0, half), callers.slice(half)];
  for (let round = 1; round <= Number(given.rounds); round++) {
    say(`round ${round} of ${given.rounds}: verified PINs`);
    const warmUpSeconds = round === 1 ? 20 : 3;
    const verified = await stand.path({ ...product, callers: many }, { seconds, warmUpSeconds, inFlight });
    say('  refusals');
    await guesses(product, GUESSERS, round === 1 ? 10 : 3, { inFlight });
    const before = stand.spent(product);
    const refused = await guesses(product, GUESSERS, seconds, { inFlight });
    const count = refused.heard.refused ?? 0;
    for (const [name, ms] of Object.entries(stand.spent(product))) {
      // Sessions of PostgreSQL that have ended meanwhile take their time with them; refusals do not ask it.
      if (name !== 'postgres') note(name, (ms - (before[name] ?? 0)) / count);
    }
    note('load generator', refused.ownMs / count);
    say('  honest callers alone');
    alone.push(await guesses(product, inTurn(few, round), watch, { perSecond: honest }));
    say('  honest callers under a flood');
    const flooding = guesses(product, GUESSERS, watch + 4, { perSecond: flood });
    // Only while the flood is there.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    beside.push(await guesses(product, inTurn(few, round + 0.5), watch, { perSecond: honest }));
    const flooded = await flooding;
    rounds.push({
      verifiedPerSecond: verified.perSecond,
      refusedPerSecond: (count * 1000) / refused.elapsedMs,
      ...latency(refused.times),
      floodPerSecond: (flooded.times.length * 1000) / flooded.elapsedMs,
      floodSkipped: flooded.skipped,
      floodP50: latency(flooded.times).p50,
      floodHeard: flooded.heard,
      load: loadavg()[0] ?? NaN,
    });
    const { verifiedPerSecond, refusedPerSecond } = rounds.at(-1) as Round;
    say(`  ${refusedPerSecond.toFixed(0)} refused and ${verifiedPerSecond.toFixed(1)} verified per second`);
  }
});

function guesses(
  { swaigUrl: url, authorization }: Installation,
  made: readonly BenchAttempt[],
  forSeconds: number,
  pace: FloodPlan['pace'],
): Promise<FloodHeard> {
  const plan: FloodPlan = { url, authorization, guesses: made, seconds: forSeconds, pace };
  return measure<FloodHeard>('flood-load.js', [], JSON.stringify(plan));
}

/** The same callers, beginning elsewhere: nobody calls again soon. */
function inTurn(callers: StoredCallers, turn: number): StoredCallers {
  const from = Math.floor(turn * 2 * honest * watch) % callers.length;
  return [...callers.slice(from), ...callers.slice(0, from)];
}

function note(name: string, ms: number): void {
  (spent[name] ??= []).push(ms);
}

/** All rounds together: a round alone has too few honest callers for a p99. */
function heardOf(runs: readonly FloodHeard[]): {
  p50: number;
  p99: number;
  asked: number;
  heard: Record<string, number>;
} {
  const heard: Record<string, number> = {};
  for (const run of runs)
    for (const [word, count] of Object.entries(run.heard)) heard[word] = (heard[word] ?? 0) + count;
  const times = runs.flatMap((run) => run.times);
  return { ...latency(times), asked: times.length, heard };
}

const of = (read: (round: Round) => number): number => median(rounds.map(read));
const [calm, stormy] = [heardOf(alone), heardOf(beside)];
const ratios = rounds.map(({ refusedPerSecond, verifiedPerSecond }) => refusedPerSecond / verifiedPerSecond);
const msOfRefusal = Object.fromEntries(
  Object.entries(spent).map(([name, ms]) => [name, Number(median(ms).toFixed(2))]),
);
const words = (heard: Record<string, number>): string =>
  Object.entries(heard)
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
    row(`honest callers alone, ${honest} a second, p50 / p99 ms`, `${calm.p50.toFixed(0)} / ${calm.p99.toFixed(0)}`),
    row('  heard', words(calm.heard)),
    row(`under a flood of ${flood} a second, p50 / p99 ms`, `${stormy.p50.toFixed(0)} / ${stormy.p99.toFixed(0)}`),
    row('  heard', words(stormy.heard)),
    row('  ratio of p99', (stormy.p99 / calm.p99).toFixed(2)),
    row('  the flood was answered, per second, each round', rounds.map((r) => r.floodPerSecond.toFixed(0)).join(' ')),
    row('  guesses of the flood that were not sent', rounds.map((r) => String(r.floodSkipped)).join(' ')),
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
const lost = (of: { heard: Record<string, number> }): boolean =>
  Object.keys(of.heard).some((word) => word !== 'verified');
if (lost(calm) || lost(stormy)) {
  process.stderr.write('An honest caller was not verified\n');
  process.exitCode = 1;
}
