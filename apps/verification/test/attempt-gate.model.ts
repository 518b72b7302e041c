import { randomUUID } from 'node:crypto';
import { type AttemptPolicy } from '@countersign/contracts';
import { ConstraintViolation, type Database } from '@countersign/persistence';
import {
  applyOutcome,
  NEW_COUNTER,
  resetForNewCredential,
  countAttempt,
  unlock,
  type AttemptCounter,
  type AttemptWindow,
  type CountDecision,
} from '../src/attempts/gate/attempt-counter.decision.js';
import { countStatement } from '../src/attempts/gate/attempt-gate.sql.js';
import { DECIDE_ATTEMPTS } from '../src/attempts/attempt-outcomes.sql.js';
import { attemptOf, outcomeOf } from './attempt-gate.contract.js';
import { decideParameters, countParameters } from '../src/attempts/gate/attempt-gate.parameters.js';
import { countedAttempt, type CountedRow } from '../src/attempts/gate/attempt-gate.store.js';
import { MAKE_DECOY, RESET_FOR_NEW_CREDENTIAL, UNLOCK } from '../src/attempts/gate/attempt-counter.sql.js';

/** The SQL statements of the attempt gate. A fault replaces one of them. */
export interface Statements {
  /** Its clock is the parameter $3. */
  readonly count: string;
  readonly decide: string;
  readonly unlock: string;
  readonly resetForNewCredential: string;
  readonly makeDecoy: string;
}

export const REAL: Statements = {
  count: countStatement('$3::timestamptz'),
  decide: DECIDE_ATTEMPTS,
  unlock: UNLOCK,
  resetForNewCredential: RESET_FOR_NEW_CREDENTIAL,
  makeDecoy: MAKE_DECOY,
};

interface Open {
  readonly attempt: ReturnType<typeof attemptOf>;
  readonly counted: ReturnType<typeof countedAttempt>;
  readonly model: CountDecision;
  /** Of the credential that was in force when the attempt was counted. */
  readonly version: number;
}

interface Subject {
  readonly key: string;
  counter: AttemptCounter;
  policy: AttemptPolicy;
  cap: number;
  /** Of the credential in force. */
  version: number;
  /** Attempts without an outcome. */
  open: Open[];
}

const COUNTERS = 300;
const START = Date.parse('2030-01-01T00:00:00Z');
const CALLERS = [undefined, ...Array.from({ length: 11 }, (_, at) => `caller ${at}`)];

/** The deciding columns of the counters. */
const ROWS = `SELECT counter_key, attempt_count, recognized_attempts, lock_level, locked_until, unrecognized_attempts,
  unrecognized_lock_level, unrecognized_locked_until, failures, unrecognized_failures, disabled, recognized_callers, last_attempt_at
  FROM verification.attempt_counters WHERE tenant = $1`;

const ENROL = `
WITH subjects AS (
  INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
  SELECT $1, unnest($2::text[]), gen_random_uuid(), 1, ''
)
INSERT INTO verification.credentials (tenant, subject_id, kind, version, key_id, wrapped, cap, enrolled_at)
SELECT $1, unnest($2::text[]), 'pin', 1, 'k1', '', 10, 'epoch'`;

const ENROL_ANEW = 'UPDATE verification.credentials SET version = version + 1 WHERE tenant = $1 AND subject_id = $2';

interface Row {
  counter_key: string;
  attempt_count: string;
  recognized_attempts: Date[];
  lock_level: number;
  locked_until: Date | null;
  unrecognized_attempts: Date[];
  unrecognized_lock_level: number;
  unrecognized_locked_until: Date | null;
  failures: number;
  unrecognized_failures: number;
  disabled: boolean;
  recognized_callers: string[];
  last_attempt_at: Date;
}

/**
 * Plays random attempts, outcomes, unlocks and enrolments at many counters, at times that jump, stand still and run
 * backwards: with the statements and with the pure functions. Compares every answer and every row. Times are whole seconds,
 * so the ends of windows and locks are reached exactly.
 */
export class GateModel {
  readonly #tenant = `model-${randomUUID()}`;
  readonly #subjects: Subject[];
  #now = START;

  constructor(
    private readonly database: Database,
    private readonly statements: Statements,
    /** A number below 1 at each call; the same ones for the same seed. */
    private readonly chance: () => number,
  ) {
    this.#subjects = Array.from({ length: COUNTERS }, () => {
      return {
        key: randomUUID(),
        counter: NEW_COUNTER,
        policy: this.#policy(),
        cap: this.#cap(),
        version: 1,
        open: [],
      };
    });
  }

  /** @returns the first difference, in words; undefined when there is none */
  async play(attempts: number): Promise<string | undefined> {
    await this.database.query(ENROL, [this.#tenant, this.#subjects.map(({ key }) => key)]);
    for (let done = 0; done < attempts;) {
      this.#advance();
      const chosen = this.#subjects.filter(() => this.chance() < 0.85);
      const difference =
        (await this.#count(chosen)) ??
        (await this.#decide()) ??
        (await this.#manage(this.statements.unlock, unlock)) ??
        (await this.#enrol()) ??
        (await this.#manage(this.statements.makeDecoy, (counter) => ({ ...counter, callers: [] }))) ??
        (await this.#compare());
      if (difference !== undefined) return `after ${done} to ${done + chosen.length} attempts: ${difference}`;
      done += chosen.length;
    }
    return undefined;
  }

  #whole(below: number): number {
    return Math.floor(this.chance() * below);
  }

  /** Seldom a little backwards, as a database's clock may be set; mostly within a window; seldom over every lock. */
  #advance(): void {
    const kind = this.chance();
    const seconds = kind < 0.05 ? -this.#whole(5) : kind < 0.95 ? this.#whole(8) : this.#whole(400);
    this.#now += seconds * 1000;
  }

  #policy(): AttemptPolicy {
    const perWindow = 1 + this.#whole(5);
    const lockSeconds = 1 + this.#whole(6);
    return {
      perWindow,
      windowSeconds: 1 + this.#whole(20),
      lockSeconds,
      maxLockSeconds: lockSeconds * (1 + this.#whole(12)),
    };
  }

  #cap(): number {
    return this.chance() < 0.1 ? 90 + this.#whole(20) : 1 + this.#whole(14);
  }

  async #count(chosen: readonly Subject[]): Promise<string | undefined> {
    const attempts = chosen.map((subject) => {
      if (this.chance() < 0.02) subject.policy = this.#policy();
      const caller = CALLERS[this.#whole(CALLERS.length)];
      const attempt = attemptOf({ tenant: this.#tenant, referenceKey: subject.key, caller, cap: subject.cap });
      return { attempt, policy: subject.policy };
    });
    const rows = await this.database
      .query<CountedRow & { attempt_id: string }>(this.statements.count, [
        ...countParameters(attempts),
        new Date(this.#now).toISOString(),
      ])
      .catch((error: unknown) => {
        if (error instanceof ConstraintViolation) return undefined;
        throw error;
      });
    if (!rows) return 'a counter is refused and should be accepted';
    const byId = new Map(rows.map((row) => [row.attempt_id, row]));
    for (const [at, subject] of chosen.entries()) {
      const { attempt, policy } = attempts[at] as (typeof attempts)[number];
      const row = byId.get(attempt.attemptId);
      if (!row) return 'the row of an attempt is missing and should be returned';
      const { counter, ...model } = countAttempt(subject.counter, attempt, this.#now, policy);
      const counted = countedAttempt(attempt.attemptId, row);
      const expected = { ...model, number: counter.attempts, countedAt: new Date(counter.touchedAt).toISOString() };
      const difference = compare(expected, { ...counted, attemptId: undefined });
      if (difference) return difference;
      subject.counter = counter;
      subject.open.push({ attempt, counted, model: { ...model, counter }, version: subject.version });
    }
    return undefined;
  }

  /** Decides most attempts at once, some later and out of order, some never. */
  async #decide(): Promise<string | undefined> {
    const outcomes = this.#subjects.flatMap((subject) => {
      if (subject.open.length === 0 || this.chance() < 0.15) return [];
      const [one] = subject.open.splice(this.#whole(subject.open.length), 1);
      if (!one || this.chance() < 0.05) return [];
      const verified = one.counted.granted && this.chance() < 0.12;
      const stands = !verified || one.version === subject.version;
      if (stands) subject.counter = applyOutcome(subject.counter, one.model, one.attempt.caller, verified);
      const outcome = outcomeOf(one.attempt, one.counted, verified ? 'verified' : 'rejected');
      const row = {
        ...({ kind: 'pin', tenant: this.#tenant, subject: subject.key, version: one.version } as const),
        ...{ cap: 10, mustChange: false, enrolledAt: '0' },
      };
      const compared = verified ? row : undefined;
      return [{ stands, outcome: { ...outcome, compared }, messages: [], reply: '{}', replyTag: '' }];
    });
    type Written = { attempt_id: string; decided: boolean };
    const rows = await this.database.query<Written>(this.statements.decide, decideParameters(outcomes));
    const written = new Map(rows.map((row) => [row.attempt_id, row.decided]));
    const wrong = outcomes.find(({ stands, outcome }) => written.get(outcome.attempt.attemptId) !== stands);
    return wrong && `whether an outcome is stored is ${String(!wrong.stands)} and should be ${String(wrong.stands)}`;
  }

  /** As an enrolment: the credential before the counter. */
  async #enrol(): Promise<undefined> {
    for (const subject of this.#subjects) {
      if (this.chance() >= 0.004) continue;
      await this.database.query(ENROL_ANEW, [this.#tenant, subject.key]);
      await this.database.query(this.statements.resetForNewCredential, [this.#tenant, [subject.key]]);
      subject.version++;
      if (subject.counter.attempts > 0) subject.counter = resetForNewCredential(subject.counter);
    }
    return undefined;
  }

  async #manage(statement: string, model: (counter: AttemptCounter) => AttemptCounter): Promise<undefined> {
    for (const subject of this.#subjects) {
      if (this.chance() >= 0.004) continue;
      await this.database.query(statement, [this.#tenant, [subject.key]]);
      if (subject.counter.attempts > 0) subject.counter = model(subject.counter);
    }
    return undefined;
  }

  async #compare(): Promise<string | undefined> {
    const rows = new Map((await this.database.query<Row>(ROWS, [this.#tenant])).map((row) => [row.counter_key, row]));
    for (const { key, counter } of this.#subjects) {
      const row = rows.get(key);
      const difference = compare(counter, row ? counterOf(row) : NEW_COUNTER);
      if (difference) return difference;
    }
    return undefined;
  }
}

function counterOf(row: Row): AttemptCounter {
  const window = (attempts: Date[], lockLevel: number, until: Date | null): AttemptWindow => {
    return { attempts: attempts.map((at) => at.getTime()), lockLevel, lockedUntil: until?.getTime() };
  };
  return {
    attempts: Number(row.attempt_count),
    recognized: window(row.recognized_attempts, row.lock_level, row.locked_until),
    unrecognized: window(row.unrecognized_attempts, row.unrecognized_lock_level, row.unrecognized_locked_until),
    failures: row.failures,
    unrecognizedFailures: row.unrecognized_failures,
    disabled: row.disabled,
    callers: row.recognized_callers,
    touchedAt: row.last_attempt_at.getTime(),
  };
}

/** The names in which two records differ, with both values. */
function compare(expected: object, found: object): string | undefined {
  const values = Object.entries(found) as [string, unknown][];
  const other = new Map(Object.entries(expected) as [string, unknown][]);
  const wrong = values.filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(other.get(name)));
  const [first] = wrong;
  return first && `${first[0]} is ${JSON.stringify(first[1])} and should be ${JSON.stringify(other.get(first[0]))}`;
}

/** Numbers below 1 that look like chance and are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
