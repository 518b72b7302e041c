import { atRate, keepInFlight } from './figures.js';
import { SwaigDoor, type BenchAttempt, type Heard } from './swaig-door.js';

/** The plan of one run, read from standard input as JSON. */
export interface FloodPlan {
  readonly url: string;
  readonly authorization: string;
  /** Made in turn. */
  readonly guesses: readonly BenchAttempt[];
  readonly seconds: number;
  /** What is asked for each of them; `status` needs no hash. Default `pin`. */
  readonly asks?: 'pin' | 'status';
  /** So many under way, so many begun in a second, or so many at the same moment, again whenever all have their answers. */
  readonly pace: { readonly inFlight: number } | { readonly perSecond: number } | { readonly atOnce: number };
}

/** What was heard; printed as JSON. */
export interface FloodHeard {
  /** Milliseconds of each answer; at a fixed rate from the moment at which its guess was due. */
  readonly times: readonly number[];
  readonly heard: Readonly<Partial<Record<Heard, number>>>;
  /** Guesses of a fixed rate that were not made, because too many were under way. */
  readonly skipped: number;
  readonly elapsedMs: number;
  /** Processor time of this program, in milliseconds. */
  readonly ownMs: number;
}

/** Guesses of a fixed rate that may be under way; more would be a queue in this program. */
const MOST_UNDER_WAY = 512;

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const {
  url,
  authorization,
  guesses,
  seconds,
  asks = 'pin',
  pace,
} = JSON.parse(Buffer.concat(chunks).toString()) as FloodPlan;
const door = new SwaigDoor(url, authorization, connections(pace));
const heard: Partial<Record<Heard, number>> = {};

async function guess(n: number): Promise<void> {
  const made = guesses[n % guesses.length] as BenchAttempt;
  const word = await (asks === 'pin' ? door.guess(made) : door.status(made.phone));
  heard[word] = (heard[word] ?? 0) + 1;
}

function connections(of: FloodPlan['pace']): number {
  if ('inFlight' in of) return of.inFlight;
  return 'atOnce' in of ? of.atOnce : MOST_UNDER_WAY;
}

/** Opens every connection first, so that a burst arrives as one. */
async function burst(atOnce: number): Promise<number[]> {
  await Promise.all(guesses.slice(0, atOnce).map(({ phone }) => door.status(phone)));
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let from = 0; performance.now() < end; from += atOnce) {
    await Promise.all(
      Array.from({ length: atOnce }, async (_, n) => {
        const begun = performance.now();
        await guess(from + n);
        times.push(performance.now() - begun);
      }),
    );
  }
  return times;
}

async function run(): Promise<Omit<FloodHeard, 'heard' | 'ownMs'>> {
  if ('perSecond' in pace) return atRate(pace.perSecond, seconds, MOST_UNDER_WAY, guess);
  const begun = performance.now();
  const times = 'atOnce' in pace ? await burst(pace.atOnce) : await keepInFlight(pace.inFlight, seconds, guess);
  return { times, skipped: 0, elapsedMs: performance.now() - begun };
}

const done = await run();
door.close();
const { user, system } = process.cpuUsage();
const result: FloodHeard = { ...done, heard, ownMs: (user + system) / 1000 };
process.stdout.write(`${JSON.stringify(result)}\n`);
