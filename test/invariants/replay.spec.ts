import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { factRecorded, type AttemptPolicy, type FactRecorded, type Outcome } from '@countersign/contracts';
import { toOcsf } from '../../apps/audit/src/trail/ocsf-event.decision.js';
import { compareSubject } from '../../apps/cli/src/attempts/replay/replay-attempts.js';
import { replayCounter, shownCounter } from '../../apps/cli/src/attempts/replay/replay-counter.js';
import { readReplayedEvent, type ReplayedEvent } from '../../apps/cli/src/attempts/replay/replayed-events.js';
import {
  applyOutcome,
  countAttempt,
  NEW_COUNTER,
  resetForNewCredential,
  unlock,
  type AttemptCounter,
} from '../../apps/verification/src/attempts/gate/attempt-counter.decision.js';

const POLICY: AttemptPolicy = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };
const POLICIES = { byAgent: new Map([['desk', POLICY]]), windowSeconds: POLICY.windowSeconds };
const BEGIN = Date.parse('2026-11-27T10:00:00.000Z');

type Step =
  | { readonly does: 'attempt'; readonly caller: string | undefined; readonly isRight: boolean; readonly after: number }
  | { readonly does: 'unlock' | 'enrol' | 'enrolSame'; readonly after: number };

/** A subject whose counter is decided as verification does, and its events as a consumer reads them. */
function happen(
  steps: readonly Step[],
  cap: number,
): { counter: AttemptCounter; events: ReplayedEvent[]; now: number } {
  let counter: AttemptCounter = NEW_COUNTER;
  let now = BEGIN;
  const events: ReplayedEvent[] = [];
  const publish = (kind: FactRecorded['kind'], more: Partial<FactRecorded>): void => {
    const fact = factRecorded(kind, new Date(now), { tenant: 'acme', subject: 'alice', agent: 'desk', ...more });
    const event = readReplayedEvent(JSON.parse(JSON.stringify(toOcsf(fact))));
    if (event !== undefined) events.push(event);
  };
  for (const step of steps) {
    now += step.after;
    switch (step.does) {
      case 'attempt': {
        const { caller } = step;
        const decision = countAttempt(counter, { caller, cap }, now, POLICY);
        const verified = step.isRight && decision.granted;
        const failed: Outcome = decision.disabled ? 'disabled' : decision.remaining > 0 ? 'rejected' : 'locked';
        counter = applyOutcome(decision.counter, decision, caller, verified);
        publish('attempt.decided', {
          ...{ method: 'pin', channel: 'swaig', outcome: verified ? 'verified' : failed, attempt: counter.attempts },
          ...{ verificationId: randomUUID(), ...(caller === undefined ? {} : { callerKey: caller, callerTail: '47' }) },
        });
        break;
      }
      case 'unlock':
        counter = unlock(counter);
        publish('credential.unlocked', {});
        break;
      case 'enrol':
      case 'enrolSame':
        if (step.does === 'enrol') counter = resetForNewCredential(counter);
        publish('credential.changed', { detail: { credential: 'pin', version: 2, by: 'administrator' } });
        break;
    }
  }
  return { counter, events, now };
}

const callers = [undefined, 'a'.repeat(64), 'b'.repeat(64)];
const after = fc.constantFrom(1_000, 60_000, 901_000);
const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        does: fc.constant('attempt' as const),
        caller: fc.constantFrom(...callers),
        isRight: fc.boolean(),
        after,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ does: fc.constantFrom('unlock' as const, 'enrol' as const, 'enrolSame' as const), after }),
    },
  ),
  { maxLength: 60 },
);
const caps = fc.constantFrom(10, 25, 50);
const stateOf = (counter: AttemptCounter, now: number) => ({
  credentials: [{ method: 'pin' as const, ...shownCounter(counter, now, POLICY.windowSeconds) }],
});

describe('the replay of attempts from their events', () => {
  it('gives the state of the counter, whatever attempts, locks, unlocks and new PINs there were', () => {
    fc.assert(
      fc.property(steps, caps, (all, cap) => {
        const { counter, events, now } = happen(all, cap);
        expect(compareSubject(events, 'pin', stateOf(counter, now), POLICIES, now).differences).toEqual([]);
        const replayed = replayCounter(events, 'pin', () => POLICY).counters.map((one) => JSON.stringify(one));
        expect(replayed).toContain(JSON.stringify(counter));
      }),
      { numRuns: 300 },
    );
  });

  it('names every attempt that no event has', () => {
    fc.assert(
      fc.property(steps, fc.nat(59), (all, at) => {
        const { events } = happen(all, 10);
        const attempts = events.filter(({ kind }) => kind === 'attempt.decided');
        const removed = attempts[at];
        if (removed === undefined || removed === attempts.at(-1)) return;
        const { missing } = replayCounter(
          events.filter((event) => event !== removed),
          'pin',
          () => POLICY,
        );
        expect(missing).toEqual([removed.number]);
      }),
    );
  });

  it('counts an event once that is on the topic twice', () => {
    const attempt = { does: 'attempt', caller: undefined, isRight: false, after: 1_000 } as const;
    const { counter, events, now } = happen([attempt, attempt], 10);
    const repeated = events.flatMap((event) => [event, event]);
    expect(compareSubject(repeated, 'pin', stateOf(counter, now), POLICIES, now)).toEqual({
      differences: [],
      count: 2,
    });
  });

  it('names a lock that was removed from the counter, and failures that it lacks', () => {
    const attempt = { does: 'attempt', caller: undefined, isRight: false, after: 1_000 } as const;
    const { events, now } = happen([attempt, attempt, attempt], 10);
    const { differences } = compareSubject(events, 'pin', stateOf(NEW_COUNTER, now), POLICIES, now);
    expect(differences).toEqual([
      'attemptsInWindow is 0, by the events 3',
      'lockedUntil is none, by the events 2026-11-27T10:15:03.000Z',
      'consecutiveFailures is 0, by the events 3',
    ]);
  });

  it('names an attempt that was verified during a lock', () => {
    const attempt = { does: 'attempt', caller: undefined, isRight: false, after: 1_000 } as const;
    const { events } = happen([attempt, attempt, attempt, attempt], 10);
    const forged = events.map((event) => (event.number === 4 ? { ...event, outcome: 'verified' } : event));
    expect(replayCounter(forged, 'pin', () => POLICY).contradictions).toEqual([
      'attempt 4: the event says verified, the rules locked',
    ]);
  });

  it('ignores events of other methods, of other kinds and of unknown references', () => {
    const { events } = happen([{ does: 'attempt', caller: undefined, isRight: true, after: 0 }], 10);
    expect(replayCounter(events, 'knowledge', () => POLICY)).toMatchObject({ attempts: 0, missing: [] });
    for (const json of [null, 7, {}, { unmapped: { kind: 'tenant.changed' }, user: { uid: 'a' } }])
      expect(readReplayedEvent(json)).toBeUndefined();
    const unknown = factRecorded('attempt.decided', new Date(BEGIN), { tenant: 'acme', subjectKey: 'f'.repeat(64) });
    expect(readReplayedEvent(toOcsf(unknown))).toBeUndefined();
  });
});
