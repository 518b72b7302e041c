import { randomBytes } from 'node:crypto';
import { availableParallelism, loadavg } from 'node:os';
import { measure } from '../children.js';
import { latency, type Latency } from '../figures.js';
import { type FloodResult, type FloodPlan } from '../flood-load.js';
import { type Installation } from '../installation.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';
import { storeSubjects, type StoredCallers } from '../stored-subjects.js';

/**
 * The effect of one tenant's bursts on another tenant: the latency of the other tenant's right PINs and of its status
 * requests, which need no hash, alone and during the bursts. A burst is `--at-once` attempts at the same moment on open
 * connections; the next one begins as soon as all are answered. Its attempts are right PINs of different subjects and
 * callers, under limits that refuse none, so each costs a hash. Each kind of request is sent by a process of its own, at
 * fixed times however long the answers take. The two kinds are half a period apart: sent together, they would wait for each
 * other even without a burst.
 */
const given = options({ rounds: '3', 'at-once': '400', 'per-second': '5', watch: '40' });
const [atOnce, perSecond, watch] = [Number(given['at-once']), Number(given['per-second']), Number(given.watch)];
/** The largest accepted ratio of the p99 during bursts to the p99 without them. */
const MOST = 3;
const QUIET = 'quiet';
const LIFTED = { limit: 1_000_000, periodSeconds: 1 };

/** The results of one tenant in all rounds. */
interface Observed extends Latency {
  readonly outcomes: FloodResult['outcomes'];
}
type RequestKind = NonNullable<FloodPlan['kind']>;

const runs: Record<'alone' | 'beside', Record<RequestKind, FloodResult[]>> = {
  alone: { pin: [], status: [] },
  beside: { pin: [], status: [] },
};
const bursts: FloodResult[] = [];
const loads: number[] = [];
await BenchRig.with(async (rig) => {
  const keys = {
    ring: `k1:${randomBytes(32).toString('base64url')}`,
    identifier: randomBytes(32).toString('base64url'),
  };
  const env = { CREDENTIAL_KEYS: keys.ring, IDENTIFIER_KEY: keys.identifier };
  const product = await rig.install('separate', { subjects: 1, env });
  const quiet = { swaigUrl: product.swaigUrl, authorization: await secondTenant(product) };
  const bursting = await storeSubjects(rig.databaseUrl, keys.ring, atOnce * 2, atOnce * 2);
  const callers = await storeSubjects(rig.databaseUrl, keys.ring, 500, 500, QUIET);
  say('warming up');
  await load(product, bursting, 15, 'pin', { inFlight: 32 });
  await observe(quiet, callers, 5);
  for (let round = 1; round <= Number(given.rounds); round++) {
    say(`round ${round} of ${given.rounds}: one tenant alone`);
    note('alone', await observe(quiet, callers, watch));
    say(`  with bursts of ${atOnce} by another tenant`);
    const burst = load(product, bursting, watch + 4, 'pin', { atOnce });
    // Wait until the connections are open and the first burst is in flight.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    note('beside', await observe(quiet, callers, watch));
    bursts.push(await burst);
    loads.push(loadavg()[0] ?? NaN);
  }
});

/** @returns the credentials of an agent of the second tenant, under the same limits */
async function secondTenant({ restUrl, adminKey }: Installation): Promise<string> {
  const call = async (method: string, path: string, body: object): Promise<Response> => {
    const response = await fetch(`${restUrl}/v1/tenants/${QUIET}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const dimensions = ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'];
  const limits = Object.fromEntries(dimensions.map((dimension) => [dimension, LIFTED]));
  await call('PUT', '', { name: 'Quiet', policy: { limits } });
  const { username, password } = (await (await call('POST', '/agents', { agent: 'quiet-agent' })).json()) as {
    username: string;
    password: string;
  };
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

type Address = Pick<Installation, 'swaigUrl' | 'authorization'>;

function load(
  { swaigUrl: url, authorization }: Address,
  attempts: StoredCallers,
  seconds: number,
  kind: RequestKind,
  pace: FloodPlan['pace'],
): Promise<FloodResult> {
  const plan: FloodPlan = { url, authorization, attempts, seconds, kind, pace };
  return measure<FloodResult>('flood-load.js', [], JSON.stringify(plan));
}

async function observe(
  address: Address,
  callers: StoredCallers,
  seconds: number,
): Promise<Record<RequestKind, FloodResult>> {
  const [pin, status] = await Promise.all([
    load(address, callers, seconds, 'pin', { perSecond }),
    new Promise((resolve) => setTimeout(resolve, 500 / perSecond)).then(() =>
      load(address, callers, seconds, 'status', { perSecond }),
    ),
  ]);
  return { pin, status };
}

function note(when: keyof typeof runs, observed: Record<RequestKind, FloodResult>): void {
  runs[when].pin.push(observed.pin);
  runs[when].status.push(observed.status);
}

/** All rounds together: a round alone has too few requests for a p99. */
function together(of: readonly FloodResult[]): Observed {
  const outcomes: Record<string, number> = {};
  for (const one of of)
    for (const [word, count] of Object.entries(one.outcomes)) outcomes[word] = (outcomes[word] ?? 0) + count;
  return { ...latency(of.flatMap(({ times }) => times)), outcomes };
}

const words = (outcomes: FloodResult['outcomes']): string =>
  Object.entries(outcomes)
    .map(([word, count]) => `${count} ${word}`)
    .join(', ');
const results = (['pin', 'status'] as const).map((kind) => {
  const [alone, beside] = [together(runs.alone[kind]), together(runs.beside[kind])];
  return { kind, alone, beside, ratio: beside.p99 / alone.p99 };
});
const ofBursts = together(bursts);
const answered = bursts.reduce((sum, { times, elapsedMs }) => sum + (times.length * 1000) / elapsedMs, 0);
process.stdout.write(
  `${[
    '',
    ...results.flatMap(({ kind, alone, beside, ratio }) => {
      const name = kind === 'pin' ? 'right PINs' : 'status requests';
      return [
        row(`${name}, alone, p50 / p99 ms`, `${alone.p50.toFixed(0)} / ${alone.p99.toFixed(0)}`),
        row('  outcomes', words(alone.outcomes)),
        row(`${name}, under bursts, p50 / p99 ms`, `${beside.p50.toFixed(0)} / ${beside.p99.toFixed(0)}`),
        row('  outcomes', words(beside.outcomes)),
        row(`  ratio of p99 (goal: at most ${MOST})`, ratio.toFixed(2)),
        row('  unavailable', String(beside.outcomes.unavailable ?? 0)),
      ];
    }),
    row(`the bursts, ${atOnce} at once, p50 / p99 ms`, `${ofBursts.p50.toFixed(0)} / ${ofBursts.p99.toFixed(0)}`),
    row('  answers per second', (answered / bursts.length).toFixed(0)),
    row('  outcomes', words(ofBursts.outcomes)),
    row('load of the machine (1 minute) after each round', loads.map((one) => one.toFixed(1)).join(' ')),
  ].join('\n')}\n`,
);
keep('fairness', {
  at: new Date().toISOString(),
  cores: availableParallelism(),
  ...{ atOnce, perSecond, watch, results, bursts: ofBursts, loads },
});
const expected = { pin: 'verified', status: 'not verified' } as const;
const faults = results.flatMap(({ kind, alone, beside, ratio }) => [
  ...[alone, beside].flatMap(({ outcomes }) =>
    Object.keys(outcomes).some((word) => word !== expected[kind])
      ? [`${kind}: a request was not answered as expected`]
      : [],
  ),
  ...(ratio <= MOST ? [] : [`${kind}: the p99 under bursts is more than ${MOST} times that without them`]),
]);
process.stdout.write(faults.length === 0 ? 'Fair: the goal is reached\n' : `Not fair:\n${faults.join('\n')}\n`);
if (faults.length > 0) process.exitCode = 1;
