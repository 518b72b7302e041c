import { eventually } from '@countersign/testing';
import { Client, newName, type Json } from '../client.js';
import { isDecision, Load, type LoadRequest, type Target } from '../load.js';
import { type Copy, type SeparateProduct } from '../product.js';
import { Enrolments } from './enrolments.js';
import { violations, type Evidence, type BrokenPromise } from './promises.js';
import { type FaultRig } from './rig.js';

const PIN = '48213';
const WRONG = '99481';
const SUBJECTS = 24;
const BUDGET_SUBJECTS = 4;
const CALLERS = 6;
const BUDGET = 3;
const DECISIONS_BEFORE = 20;
/** Enough to show that every partition works as before. */
const VERIFIED_AFTER = 60;
const RECOVERY_LIMIT_MS = 60_000;
const SUPERVISE_MS = 250;
const SETTLE_LIMIT_MS = 90_000;
/** The last events may still be in transit to this reader when the product is idle. */
const EVENTS_LIMIT_MS = 15_000;
const UNLIMITED = { limit: 1_000_000, periodSeconds: 60 };
const LIMITS = Object.fromEntries(
  ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'].map((name) => [name, UNLIMITED]),
);
/** Short locks: every third attempt is wrong and would otherwise lock every subject. */
const GENEROUS = { limits: LIMITS, attempts: { perWindow: 100, windowSeconds: 60, lockSeconds: 1, maxLockSeconds: 1 } };
const STRICT = { limits: LIMITS, attempts: { perWindow: BUDGET, windowSeconds: 3_600, lockSeconds: 3_600 } };

/** The product under load, for the duration of a fault. */
export interface Cell {
  readonly rig: FaultRig;
  readonly load: Load;
  /** Records that the fault stopped a copy, which could not answer then; times in milliseconds since 1970. */
  stopped(copy: Copy, from: number, to: number): void;
  /** Prints a line of progress. */
  note(line: string): void;
}

/** A line of the table. */
export interface Row {
  readonly fault: string;
  readonly runs: number;
  readonly attempts: number;
  readonly requests: number;
  readonly unavailable: number;
  readonly lost: number;
  readonly doubled: number;
  /** Longest time between two decisions while the load ran, in milliseconds. */
  readonly longestGapMs: number;
  /** 99 of 100 requests were answered within this, in milliseconds. */
  readonly p99Ms: number;
  readonly violations: readonly BrokenPromise[];
}

/**
 * Puts load on the product, runs the fault, waits until the product has recovered and is idle, and compares its records
 * with the answers that its clients received.
 * @param fault returns after the fault has ended, with the number of times that it was done
 * @param note receives lines of progress
 * @param awaitsComparison waits until the audit service has compared every attempt, which takes 20 s
 */
export async function measure(
  rig: FaultRig,
  name: string,
  fault: (cell: Cell) => Promise<number>,
  note: (line: string) => void = () => undefined,
  awaitsComparison = false,
): Promise<Row> {
  const { product, balancer } = rig;
  const client = new Client(product);
  const generous = await prepare(client, GENEROUS, SUBJECTS);
  const strict = { ...(await prepare(client, STRICT, BUDGET_SUBJECTS)), onlyWrong: true };
  const load = new Load(balancer);
  const enrolments = new Enrolments(product, balancer, load, generous, GENEROUS);
  const stopped: { copy: Copy; from: number; to: number }[] = [];
  const found: BrokenPromise[] = [];
  const guard = setInterval(() => found.push(...replaceEndedCopies(product)), SUPERVISE_MS);
  const began = Date.now();
  load.start(generous, CALLERS);
  load.start(strict, 1);
  enrolments.start();
  let runs = 0;
  try {
    const decided = (): boolean => load.requests.filter(isDecision).length >= DECISIONS_BEFORE;
    await eventually('the first guesses are decided', decided, RECOVERY_LIMIT_MS);
    runs = await fault({
      ...{ rig, load, note },
      stopped: (copy, from, to) => void stopped.push({ copy, from, to }),
    });
    const over = Date.now();
    const again = (): boolean => verifiedSince(load.requests, over) >= VERIFIED_AFTER;
    await eventually('callers are verified again', again, RECOVERY_LIMIT_MS);
  } catch (error) {
    found.push({ promise: 'recovery', kind: 'broken', evidence: (error as Error).message });
  }
  const ended = Date.now();
  const requests = await load.stop();
  const rests = [enrolments.stop(), rig.untilIdle(SETTLE_LIMIT_MS)];
  const agrees = async (): Promise<boolean> =>
    (!awaitsComparison || (await rig.ledger.isCompared())) && (await rig.ledger.auditDifferences()).length === 0;
  rests.push(
    eventually('the audit service finds no difference', () => agrees().catch(() => false), SETTLE_LIMIT_MS).then(
      () => undefined,
    ),
  );
  for (const rest of await Promise.allSettled(rests)) {
    if (rest.status === 'rejected')
      found.push({ promise: 'recovery', kind: 'broken', evidence: (rest.reason as Error).message });
  }
  clearInterval(guard);
  found.push(...replaceEndedCopies(product));
  const tenants = [generous.agent.tenant, strict.agent.tenant];
  const collect = async (): Promise<Evidence> => ({
    ...{ requests, enrolled: enrolments.done, stopped, budget: { tenant: strict.agent.tenant, guesses: BUDGET } },
    rows: await rig.ledger.attempts(tenants),
    entries: await rig.ledger.entries(tenants),
    events: rig.events.ofTenants(tenants),
    counted: await rig.ledger.counted(tenants),
    differences: await rig.ledger.auditDifferences(),
    unpublished: await rig.ledger.unpublished(),
  });
  let evidence = await collect();
  const complete = async (): Promise<boolean> =>
    violations((evidence = await collect())).every(({ kind }) => kind !== 'lost');
  await eventually('the last events have arrived', complete, EVENTS_LIMIT_MS).catch(() => undefined);
  found.push(...violations(evidence));
  return {
    ...{ fault: name, runs, attempts: evidence.rows.length, requests: requests.length },
    unavailable: requests.filter(({ outcome }) => outcome === 'unavailable').length,
    lost: found.filter(({ kind }) => kind === 'lost').length,
    doubled: found.filter(({ kind }) => kind === 'doubled').length,
    longestGapMs: longestGap(requests, began, ended),
    p99Ms: p99(requests.map(({ begunAt, answeredAt }) => answeredAt - begunAt)),
    violations: found,
  };
}

/** Does what a supervisor does with a process that ended, and says what a supervisor should never have had to do. */
function replaceEndedCopies(product: SeparateProduct): BrokenPromise[] {
  return product.takeEndedCopies().map(({ service, program }) => {
    product.startCopy(service);
    const evidence = `${service} ended with code ${program.end?.code}: ${finalOutput(program.output)}`;
    return { promise: 'no process ends by itself', kind: 'broken', evidence };
  });
}

/** What a process says of its own end is no line of its log. */
function finalOutput(output: string): string {
  const lines = output
    .split('\n')
    .filter((line) => line.includes('Crash') || (line !== '' && !line.startsWith('{') && !line.startsWith('    at ')));
  return lines.slice(-8).join(' / ').slice(-600);
}

/** Each step is repeated while its answer comes too late, as after the fault before. */
async function prepare(client: Client, policy: Json, count: number): Promise<Target> {
  const tenant = newName('tenant');
  await repeated(() => client.putTenant(tenant, policy));
  const agent = await repeated(() => client.createAgent(tenant));
  const subjects = Array.from({ length: count }, () => newName('customer'));
  await Promise.all(subjects.map((subject) => repeated(() => client.putSubject(tenant, subject))));
  await Promise.all(subjects.map((subject) => repeated(() => client.putPin(tenant, subject, PIN))));
  return { agent, subjects, pin: PIN, wrong: WRONG };
}

/** Repeats a step until it succeeds. @throws the error of its last failure */
async function repeated<T>(step: () => Promise<T>): Promise<T> {
  const until = Date.now() + RECOVERY_LIMIT_MS;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
  }
}

/** The number of attempts that began after a time and were verified. */
export function verifiedSince(requests: readonly LoadRequest[], time: number): number {
  return requests.filter(({ outcome, begunAt }) => outcome === 'verified' && begunAt >= time).length;
}

/** Between two decisions from `from` to `to`, the ends included: in milliseconds. */
export function longestGap(requests: readonly LoadRequest[], from: number, to: number): number {
  const times = requests.filter(isDecision).map(({ answeredAt }) => answeredAt);
  const within = times.filter((time) => time > from && time < to).sort((a, b) => a - b);
  let longest = 0;
  let last = from;
  for (const time of [...within, to]) {
    longest = Math.max(longest, time - last);
    last = time;
  }
  return longest;
}

function p99(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0;
}
