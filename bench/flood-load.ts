import { atRate, keepInFlight } from './figures.js';
import { SwaigDoor, type Guess, type Heard } from './swaig-door.js';

/** The plan of one run, read from standard input as JSON. */
export interface FloodPlan {
  readonly url: string;
  readonly authorization: string;
  /** Made in turn. */
  readonly guesses: readonly Guess[];
  readonly seconds: number;
  /** So many under way, or so many begun in a second. */
  readonly pace: { readonly inFlight: number } | { readonly perSecond: number };
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
const { url, authorization, guesses, seconds, pace } = JSON.parse(Buffer.concat(chunks).toString()) as FloodPlan;
const door = new SwaigDoor(url, authorization, 'inFlight' in pace ? pace.inFlight : MOST_UNDER_WAY);
const heard: Partial<Record<Heard, number>> = {};

async function guess(n: number): Promise<void> {
  const word = await door.guess(guesses[n % guesses.length] as Guess);
  heard[word] = (heard[word] ?? 0) + 1;
}

async function run(): Promise<Omit<FloodHeard, 'heard' | 'ownMs'>> {
  if ('perSecond' in pace) return atRate(pace.perSecond, seconds, MOST_UNDER_WAY, guess);
  const begun = performance.now();
  const times = await keepInFlight(pace.inFlight, seconds, guess);
  return { times, skipped: 0, elapsedMs: performance.now() - begun };
}

const done = await run();
door.close();
const { user, system } = process.cpuUsage();
const result: FloodHeard = { ...done, heard, ownMs: (user + system) / 1000 };
process.stdout.write(`${JSON.stringify(result)}\n`);
