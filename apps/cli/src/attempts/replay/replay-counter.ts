import { type AttemptPolicy, type Method } from '@countersign/contracts';
import {
  applyOutcome,
  attemptsAt,
  capOf,
  countAttempt,
  NEW_COUNTER,
  resetForNewCredential,
  unlock,
  type AttemptCounter,
  type CountDecision,
} from '../../../../verification/src/attempts/gate/attempt-counter.decision.js';
import { shownFailures } from '../../../../verification/src/subjects/subject-state.decision.js';
import { type ReplayedEvent } from './replayed-events.js';

/** The state of a counter, as the REST API shows it. */
export interface ShownCounter {
  readonly attemptsInWindow: number;
  readonly lockedUntil: string | undefined;
  readonly consecutiveFailures: number;
  readonly disabled: boolean;
}

/** The result of a replay. */
export interface ReplayedCounter {
  /** States that fit the events equally well: events state neither the length of a PIN nor whether a new one equals the old. */
  readonly counters: readonly AttemptCounter[];
  readonly attempts: number;
  /** Numbers from 1 to the highest one that no event has. */
  readonly missing: readonly number[];
  /** Attempts with events that contradict the rules, in the state that fits best. */
  readonly contradictions: readonly string[];
}

interface Candidate {
  readonly counter: AttemptCounter;
  readonly cap: number;
  readonly contradictions: readonly string[];
}

/** The caps that a credential can have, by the number of digits of its PIN. Answers have that of the shortest PIN. */
const CAPS = [6, 5, 4].map(capOf);
const KNOWLEDGE_CAPS = [capOf(4)];
/** States that are followed at a time. */
const MAX_CANDIDATES = 64;
const SHOWN_NUMBERS = 20;

/**
 * Replays the events of one subject, oldest first, by the function that decides about attempts.
 * @param policyOf the policy of an agent; undefined: it is unknown, so its attempts cannot be replayed
 */
export function replayCounter(
  events: readonly ReplayedEvent[],
  method: Method,
  policyOf: (agent: string) => AttemptPolicy | undefined,
): ReplayedCounter {
  const caps = method === 'pin' ? CAPS : KNOWLEDGE_CAPS;
  let candidates: Candidate[] = caps.map((cap) => ({ counter: NEW_COUNTER, cap, contradictions: [] }));
  const numbers = new Set<number>();
  for (const event of events) {
    if (event.kind === 'attempt.decided' && event.method === method && event.number !== undefined) {
      // The same event can be in a file, or on the topic, more than once.
      if (numbers.has(event.number)) continue;
      numbers.add(event.number);
    }
    candidates = best(candidates.flatMap((one) => next(one, event, method, policyOf, caps)));
  }
  const highest = numbers.size === 0 ? 0 : Math.max(...numbers);
  const missing: number[] = [];
  for (let number = 1; number <= highest && missing.length < SHOWN_NUMBERS; number++)
    if (!numbers.has(number)) missing.push(number);
  const fewest = Math.min(...candidates.map(({ contradictions }) => contradictions.length));
  const fitting = candidates.filter(({ contradictions }) => contradictions.length === fewest);
  return {
    counters: fitting.map(({ counter }) => counter),
    attempts: numbers.size,
    missing,
    contradictions: fitting[0]?.contradictions ?? [],
  };
}

function next(
  candidate: Candidate,
  event: ReplayedEvent,
  method: Method,
  policyOf: (agent: string) => AttemptPolicy | undefined,
  caps: readonly number[],
): Candidate[] {
  const { counter, cap, contradictions } = candidate;
  switch (event.kind) {
    case 'attempt.decided': {
      if (event.method !== method) return [candidate];
      const policy = policyOf(event.agent);
      if (policy === undefined) {
        const unknown = `attempt ${event.number}: the policy of agent ${event.agent} is not known`;
        return [{ ...candidate, contradictions: [...contradictions, unknown] }];
      }
      const decision = countAttempt(counter, { caller: event.caller, cap }, event.time, policy);
      const wrong = contradictionOf(event, decision);
      const after = applyOutcome(decision.counter, decision, event.caller, event.outcome === 'verified');
      return [
        { counter: after, cap, contradictions: wrong === undefined ? contradictions : [...contradictions, wrong] },
      ];
    }
    case 'credential.unlocked':
      return [{ ...candidate, counter: unlock(counter) }];
    case 'credential.enrolled':
    case 'credential.changed': {
      if (event.credential !== method) return [candidate];
      const reset = resetForNewCredential(counter);
      // A PIN that equals the replaced one changes nothing.
      const same = event.kind === 'credential.changed' ? [candidate] : [];
      return [...caps.map((other) => ({ counter: reset, cap: other, contradictions })), ...same];
    }
    case 'subject.erased':
      return [{ ...candidate, counter: { ...counter, callers: [] } }];
    default:
      return [candidate];
  }
}

/** What the event says that the rules do not. */
function contradictionOf(event: ReplayedEvent, decision: CountDecision): string | undefined {
  const expected = expectedOutcome(decision);
  const { outcome } = event;
  if (outcome === 'unavailable' || outcome === expected || (outcome === 'verified' && decision.granted))
    return undefined;
  return `attempt ${event.number}: the event says ${outcome}, the rules ${decision.granted ? 'verified or ' : ''}${expected}`;
}

function expectedOutcome({ disabled, remaining }: CountDecision): string {
  if (disabled) return 'disabled';
  return remaining > 0 ? 'rejected' : 'locked';
}

/** The distinct states with the fewest contradictions. */
function best(candidates: readonly Candidate[]): Candidate[] {
  const states = new Map<string, Candidate>();
  for (const one of [...candidates].sort((a, b) => a.contradictions.length - b.contradictions.length)) {
    const state = JSON.stringify([one.cap, one.counter]);
    if (!states.has(state)) states.set(state, one);
  }
  return [...states.values()].slice(0, MAX_CANDIDATES);
}

/** A counter as the REST API shows it. @param windowSeconds the longest window of the tenant and its agents */
export function shownCounter(counter: AttemptCounter, now: number, windowSeconds: number): ShownCounter {
  const { recognized, unrecognized, disabled } = counter;
  const windows = [recognized, unrecognized];
  const ends = windows.flatMap(({ lockedUntil }) =>
    lockedUntil !== undefined && lockedUntil > now ? [lockedUntil] : [],
  );
  return {
    attemptsInWindow: windows.reduce((sum, window) => sum + attemptsAt(window, now, { windowSeconds }).length, 0),
    lockedUntil: ends.length === 0 ? undefined : new Date(Math.max(...ends)).toISOString(),
    consecutiveFailures: shownFailures(counter),
    disabled,
  };
}
