import { type AuditEvent, attemptsIn } from '../audit-events.js';
import { compare, type AuditEntry, type LedgerRow } from '../ledger.js';
import { isDecision, type LoadRequest } from '../load.js';
import { type Copy } from '../product.js';

/** Longest wait for an answer: the adapters' REPLY_TIMEOUT_MS, and a tolerance for two busy cores. */
const ANSWER_LIMIT_MS = 5_000 + 4_000;

/** A broken promise. The table counts the kinds `lost` and `doubled`. */
export interface BrokenPromise {
  readonly promise: string;
  readonly kind: 'lost' | 'doubled' | 'broken';
  readonly evidence: string;
}

/** The state after a fault: the answers that clients received, and the records of the product about their tenants. */
export interface Evidence {
  readonly requests: readonly LoadRequest[];
  readonly rows: readonly LedgerRow[];
  readonly entries: readonly AuditEntry[];
  /** Records of the public topic, including repeated ones. */
  readonly events: readonly AuditEvent[];
  /** Attempts of all counters. */
  readonly counted: number;
  /** What the audit service has found, see `countersign_audit_differences`. */
  readonly differences: readonly string[];
  /** How many facts are still in an outbox. */
  readonly unpublished: number;
  /** Subjects whose enrolment was acknowledged. */
  readonly enrolled: readonly string[];
  /** A tenant with a small attempt window, and the number of attempts in it. */
  readonly budget: { readonly tenant: string; readonly guesses: number };
  /** Copies that could not answer for some time, because they were stopped and continued. */
  readonly stopped: readonly { readonly copy: Copy; readonly from: number; readonly to: number }[];
}

type PromiseCheck = (evidence: Evidence) => BrokenPromise[];

/** Each must hold after any fault. */
export const PROMISES: Readonly<Record<string, PromiseCheck>> = {
  'no attempt uncounted': noAttemptUncounted,
  'none counted twice': noneCountedTwice,
  'no fact lost': noFactLost,
  'counter, log and topic agree': countersAgree,
  'none published under two ids': nonePublishedTwice,
  'no success without its credential': noSuccessWithoutCredential,
  'no attempt beyond the window': noGuessBeyondBudget,
  'every caller answered in bounded time': answeredInTime,
};

export function violations(evidence: Evidence): BrokenPromise[] {
  return Object.values(PROMISES).flatMap((check) => check(evidence));
}

/** Every decision that a client received has a row, and the numbers of the rows of one reference have no gap. */
function noAttemptUncounted({ requests, rows, entries }: Evidence): BrokenPromise[] {
  const lost = (evidence: string): BrokenPromise => ({ promise: 'no attempt uncounted', kind: 'lost', evidence });
  const byId = new Map(rows.map((row) => [row.attempt_id, row]));
  const decided = new Map<string, string[]>();
  for (const { kind, call_id, attempt_id } of entries) {
    if (kind === 'attempt.decided' && call_id !== null) push(decided, call_id, attempt_id ?? '');
  }
  const found: BrokenPromise[] = [];
  for (const one of requests) {
    if (!isDecision(one) || one.outcome === 'rate_limited') continue;
    const attempts = decided.get(one.callId) ?? [];
    const row = attempts.map((id) => byId.get(id)).find((known) => known?.outcome === one.outcome);
    if (row === undefined) {
      found.push(lost(`${one.adapter} said ${one.outcome} to ${one.callId}, its attempts are [${attempts.join()}]`));
    }
  }
  for (const [guard, own] of groupBy(rows, ({ counter_key }) => counter_key)) {
    const numbers = own.map(({ number }) => Number(number)).sort((a, b) => a - b);
    const hole = numbers.findIndex((number, at) => number !== at + 1);
    if (hole >= 0) found.push(lost(`attempt ${hole + 1} of reference ${guard} is missing or doubled`));
  }
  return found;
}

/** One command is one attempt, and a repeated delivery gets the answer of the first. */
function noneCountedTwice({ requests, rows, entries }: Evidence): BrokenPromise[] {
  const doubled = (evidence: string): BrokenPromise => ({ promise: 'none counted twice', kind: 'doubled', evidence });
  const found: BrokenPromise[] = [];
  for (const [command, own] of groupBy(rows, ({ command_id }) => command_id)) {
    if (own.length > 1) found.push(doubled(`command ${command} has ${own.length} attempts`));
  }
  const decided = entries.filter(({ kind, call_id }) => kind === 'attempt.decided' && call_id !== null);
  for (const [call, own] of groupBy(decided, ({ call_id }) => call_id ?? '')) {
    if (own.length > 1) found.push(doubled(`request ${call} has ${own.length} decided attempts on record`));
  }
  for (const [call, own] of groupBy(requests.filter(isDecision), ({ callId }) => callId)) {
    const outcomes = new Set(own.map(({ outcome }) => outcome));
    if (outcomes.size > 1) found.push(doubled(`request ${call} was answered with ${[...outcomes].join(' and ')}`));
  }
  return found;
}

/** Every row of the ledger has its outcome, its event on the public topic and its entry in the trail. */
function noFactLost({ rows, events, entries, unpublished, enrolled }: Evidence): BrokenPromise[] {
  const lost = (evidence: string): BrokenPromise => ({ promise: 'no fact lost', kind: 'lost', evidence });
  const decided = events.filter(({ type }) => type === 'countersign.attempt.decided.v1');
  // Another promise covers an attempt with two events.
  const found = compare(rows, attemptsIn(decided))
    .filter((line) => !line.startsWith('attempt under'))
    .map(lost);
  const recorded = (kind: string): Set<string> =>
    new Set(entries.filter((entry) => entry.kind === kind).map((entry) => entry.attempt_id ?? entry.subject ?? ''));
  const [attempts, locks, enrolments] = ['attempt.decided', 'credential.locked', 'credential.enrolled'].map(recorded);
  for (const { attempt_id: id, charged_lock, outcome } of rows) {
    if (attempts?.has(id) !== true) found.push(lost(`attempt ${id} is not in the trail`));
    if (charged_lock && outcome !== 'verified' && locks?.has(id) !== true)
      found.push(lost(`the lock that attempt ${id} charged is not in the trail`));
  }
  for (const subject of enrolled) {
    if (enrolments?.has(subject) !== true) found.push(lost(`the enrolment of ${subject} is not in the trail`));
  }
  const published = new Set(events.map(({ id }) => id));
  for (const { event_id } of entries) {
    if (!published.has(event_id)) found.push(lost(`entry ${event_id} is not on the public topic`));
  }
  if (unpublished > 0) found.push(lost(`${unpublished} facts are still in an outbox`));
  return found;
}

/** As many attempts were counted as are in the ledger, in the log and on the topic, and audit finds the same. */
function countersAgree({ counted, differences, rows, entries, events }: Evidence): BrokenPromise[] {
  const lost = (evidence: string): BrokenPromise => ({
    promise: 'counter, log and topic agree',
    kind: 'lost',
    evidence,
  });
  const logged = entries.filter(({ kind }) => kind === 'attempt.decided').length;
  const published = attemptsIn(events.filter(({ type }) => type === 'countersign.attempt.decided.v1')).size;
  const found = differences.map((difference) => lost(`the audit service finds: ${difference}`));
  if ([rows.length, logged, published].some((count) => count !== counted)) {
    const places = `${rows.length} in the ledger, ${logged} in the log, ${published} on the topic`;
    found.push(lost(`${counted} attempts were counted, ${places}`));
  }
  return found;
}

/** One attempt has one event, and a repeated event has the same bytes. */
function nonePublishedTwice({ events, entries }: Evidence): BrokenPromise[] {
  const doubled = (evidence: string): BrokenPromise => ({
    promise: 'none published under two ids',
    kind: 'doubled',
    evidence,
  });
  const found: BrokenPromise[] = [];
  const decided = events.filter(({ type }) => type === 'countersign.attempt.decided.v1');
  for (const [attempt, { eventIds }] of attemptsIn(decided)) {
    if (eventIds.size > 1) found.push(doubled(`attempt ${attempt} has the events ${[...eventIds].join()}`));
  }
  for (const [id, own] of groupBy(events, (event) => event.id)) {
    if (new Set(own.map(({ value }) => JSON.stringify(value))).size > 1)
      found.push(doubled(`event ${id} has different bytes`));
  }
  for (const kind of ['credential.locked', 'credential.enrolled']) {
    const own = entries.filter((entry) => entry.kind === kind);
    for (const [what, same] of groupBy(own, (entry) => entry.attempt_id ?? entry.subject ?? '')) {
      if (same.length > 1) found.push(doubled(`${kind} of ${what} is in the trail ${same.length} times`));
    }
  }
  return found;
}

/** A wrong PIN is never verified, a right one is never rejected, and a success has its level and its row. */
function noSuccessWithoutCredential({ requests, rows }: Evidence): BrokenPromise[] {
  const broken = (evidence: string): BrokenPromise => ({
    promise: 'no success without its credential',
    kind: 'broken',
    evidence,
  });
  const byId = new Map(rows.map((row) => [row.attempt_id, row]));
  return requests.flatMap((one) => {
    if (one.outcome === 'rejected' && one.right) return [broken(`the right PIN was rejected in ${one.callId}`)];
    if (one.outcome.startsWith('other')) return [broken(`${one.adapter} answered ${one.callId} with ${one.outcome}`)];
    if (one.outcome !== 'verified') return [];
    const row = byId.get(one.verificationId ?? '');
    if (one.right && one.level === 'verified' && row?.granted === true && row.outcome === 'verified') return [];
    return [
      broken(`${one.callId} was verified: right ${one.right}, level ${one.level}, row ${row?.outcome ?? 'none'}`),
    ];
  });
}

/** Of attempts that are all wrong, only as many are compared as the window of the tenant's policy allows. */
function noGuessBeyondBudget({ rows, budget }: Evidence): BrokenPromise[] {
  const own = rows.filter(({ tenant, granted }) => tenant === budget.tenant && granted);
  return [...groupBy(own, ({ counter_key }) => counter_key)].flatMap(([guard, granted]) =>
    granted.length <= budget.guesses
      ? []
      : [
          {
            promise: 'no attempt beyond the window',
            kind: 'broken' as const,
            evidence: `${granted.length} attempts were compared at ${guard}, ${budget.guesses} are allowed`,
          },
        ],
  );
}

/** Every request is answered within the adapters' time-out. Only a client of a killed process may lose its connection. */
function answeredInTime({ requests, stopped }: Evidence): BrokenPromise[] {
  const broken = (evidence: string): BrokenPromise => ({
    promise: 'every caller answered in bounded time',
    kind: 'broken',
    evidence,
  });
  return requests.flatMap((one) => {
    if (one.outcome === 'broken' && one.copy.program.end?.signal !== 'SIGKILL')
      return [broken(`${one.adapter} broke the connection of ${one.callId} and was not killed`)];
    const pause = stopped
      .filter(({ copy, from, to }) => copy === one.copy && from < one.answeredAt && to > one.sentAt)
      .reduce((sum, { from, to }) => sum + to - Math.max(from, one.sentAt), 0);
    const took = one.answeredAt - one.sentAt - pause;
    return took <= ANSWER_LIMIT_MS ? [] : [broken(`${one.callId} at ${one.adapter} took ${took} ms: ${one.outcome}`)];
  });
}

function groupBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) push(groups, keyOf(one), one);
  return groups;
}

function push<T>(groups: Map<string, T[]>, key: string, one: T): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [one]);
  else group.push(one);
}
