import { atRate, keepInFlight } from './figures.js';
import { SwaigClient, type BenchAttempt, type SpokenOutcome } from './swaig-client.js';

/** The plan of one run, read from standard input as JSON. */
export interface FloodPlan {
  readonly url: string;
  readonly authorization: string;
  /** Sent in turn. */
  readonly attempts: readonly BenchAttempt[];
  readonly seconds: number;
  /** The function that is called for each; `status` needs no hash. Default `pin`. */
  readonly kind?: 'pin' | 'status';
  /**
   * A fixed number in flight, a fixed number begun per second, or bursts: a fixed number at the same moment, and again as
   * soon as all are answered.
   */
  readonly pace: { readonly inFlight: number } | { readonly perSecond: number } | { readonly atOnce: number };
}

/** The result, printed as JSON. */
export interface FloodResult {
  /** Milliseconds until each answer; at a fixed rate since the moment at which the request was due. */
  readonly times: readonly number[];
  readonly outcomes: Readonly<Partial<Record<SpokenOutcome, number>>>;
  /** Requests of a fixed rate that were not sent, because too many were in flight. */
  readonly skipped: number;
  readonly elapsedMs: number;
  /** Processor time of this program, in milliseconds. */
  readonly ownMs: number;
}

/** How many requests of a fixed rate may be in flight; more would wait in this program. */
const MOST_IN_FLIGHT = 512;

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const {
  url,
  authorization,
  attempts,
  seconds,
  kind = 'pin',
  pace,
} = JSON.parse(Buffer.concat(chunks).toString()) as FloodPlan;
const client = new SwaigClient(url, authorization, connections(pace));
const outcomes: Partial<Record<SpokenOutcome, number>> = {};

async function send(n: number): Promise<void> {
  const attempt = attempts[n % attempts.length] as BenchAttempt;
  const outcome = await (kind === 'pin' ? client.attempt(attempt) : client.status(attempt.phone));
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}

function connections(of: FloodPlan['pace']): number {
  if ('inFlight' in of) return of.inFlight;
  return 'atOnce' in of ? of.atOnce : MOST_IN_FLIGHT;
}

/** Opens every connection first, so that a burst arrives as one. */
async function burst(atOnce: number): Promise<number[]> {
  await Promise.all(attempts.slice(0, atOnce).map(({ phone }) => client.status(phone)));
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let from = 0; performance.now() < end; from += atOnce) {
    await Promise.all(
      Array.from({ length: atOnce }, async (_, n) => {
        const begun = performance.now();
        await send(from + n);
        times.push(performance.now() - begun);
      }),
    );
  }
  return times;
}

async function run(): Promise<Omit<FloodResult, 'outcomes' | 'ownMs'>> {
  if ('perSecond' in pace) return atRate(pace.perSecond, seconds, MOST_IN_FLIGHT, send);
  const begun = performance.now();
  const times = 'atOnce' in pace ? await burst(pace.atOnce) : await keepInFlight(pace.inFlight, seconds, send);
  return { times, skipped: 0, elapsedMs: performance.now() - begun };
}

const done = await run();
client.close();
const { user, system } = process.cpuUsage();
const result: FloodResult = { ...done, outcomes, ownMs: (user + system) / 1000 };
process.stdout.write(`${JSON.stringify(result)}\n`);
