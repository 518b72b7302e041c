import { randomBytes, randomUUID } from 'node:crypto';
import { factRecorded } from '@countersign/contracts';
import { createLogger } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { CREDENTIAL_KINDS, counterKeyOf } from '../attempts/gate/attempt-counter.decision.js';
import { type AttemptToCount } from '../attempts/attempts.ports.js';
import { type CountedAttempt } from '../attempts/counted-attempt.decision.js';
import { attemptOf, POLICY, countedOf, outcomeOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { PostgresSubjectErasure } from '../subjects/erasure/erasure.store.js';
import { credentialOf } from '../../test/subject-store.contract.js';
import { PostgresSubjectStore } from '../subjects/subject.store.js';
import { TamperReports } from './tamper-reports.store.js';
import { openTestTables, type TestTables } from '../../test/test-tables.js';

/** Attacks by someone who can write to counters or to their ledger. */
const REFUSED = { code: 'COUNTER_BROKEN', retriable: false };
const random = (): string => randomBytes(32).toString('base64url');
const keyring = new Keyring(new Secret(`k1:${random()}`));
const hash = new KeyedHash(new Secret(random()));

let tables: TestTables;
let service: Database;
let database: Database;
let subjects: PostgresSubjectStore;
let attempts: PostgresAttemptGate;
let erasures: PostgresSubjectErasure;

beforeAll(async () => {
  tables = await openTestTables();
  ({ service, database } = tables);
});

afterAll(() => tables.close());

beforeEach(async () => {
  const wake = (): void => undefined;
  const { report } = new TamperReports(service, createLogger('test', 'silent'), wake);
  subjects = new PostgresSubjectStore(service, keyring, hash, hash, wake, report);
  attempts = new PostgresAttemptGate(service, hash, wake, () => false, report);
  erasures = new PostgresSubjectErasure(service, keyring, hash, hash, wake);
  await database.query('TRUNCATE verification.subjects, verification.attempt_counters, verification.outbox CASCADE');
  await database.query('TRUNCATE verification.attempts, verification.commands');
});

async function findings(): Promise<unknown[]> {
  const rows = await database.query<{ payload: string }>('SELECT payload FROM verification.outbox ORDER BY seq');
  return rows
    .map(({ payload }) => JSON.parse(payload) as { kind: string; subjectKey?: string; detail: object })
    .filter(({ kind }) => kind === 'credential.broken')
    .map(({ subjectKey, detail }) => ({ subjectKey, ...detail }));
}

const finding = (subjectKey: string, reason = 'differs_from_ledger'): object => {
  return { subjectKey, what: 'counter', reason };
};

/** A counter with successes and failures. */
class Target {
  readonly referenceKey = randomUUID();

  constructor(
    readonly method: AttemptToCount['method'],
    readonly subject: string | undefined,
  ) {}

  attempt(caller: string, cap = 100): AttemptToCount {
    const { referenceKey, method, subject } = this;
    return attemptOf({ referenceKey, method, subject, caller, cap });
  }

  async guess(caller: string, outcome?: 'verified' | 'rejected', cap?: number): Promise<CountedAttempt> {
    const attempt = this.attempt(caller, cap);
    const counted = countedOf(await attempts.count(attempt, POLICY));
    if (outcome) await attempts.decide(outcomeOf(attempt, counted, outcome));
    return counted;
  }

  unlock(): Promise<void> {
    return attempts.unlock(randomUUID(), 'acme', this.referenceKey, (time) =>
      factRecorded('credential.unlocked', time, { tenant: 'acme' }),
    );
  }

  /** Locked and unlocked again, then one attempt of the recognized caller, if there is one, and one of another. */
  async counting(): Promise<void> {
    if (this.subject !== undefined) await this.guess('owner', 'verified');
    for (const caller of ['other', 'owner']) for (let n = 0; n < 3; n++) await this.guess(caller, 'rejected');
    await this.unlock();
    for (const caller of ['owner', 'other']) await this.guess(caller, 'rejected');
  }

  async locked(): Promise<void> {
    await this.counting();
    for (const caller of ['other', 'owner', 'owner', 'other']) await this.guess(caller, 'rejected');
  }

  async disabled(): Promise<void> {
    await this.counting();
    await this.guess('owner', 'rejected', 1);
  }

  async row(): Promise<string> {
    const text = 'SELECT g::text AS text FROM verification.attempt_counters g WHERE counter_key = $1';
    const [row] = await database.query<{ text: string }>(text, [this.#row]);
    return row?.text ?? '';
  }

  async alter(set: string): Promise<void> {
    await database.query(`UPDATE verification.attempt_counters SET ${set} WHERE counter_key = $1`, [this.#row]);
  }

  async alterRecord(statement: string): Promise<void> {
    const latest = '(SELECT attempt_count FROM verification.attempt_counters WHERE counter_key = $1)';
    await database.query(`${statement} WHERE counter_key = $1 AND number = ${latest}`, [this.#row]);
  }

  get #row(): string {
    return counterKeyOf(this.referenceKey, this.method);
  }
}

const everyTarget = (): Target[] =>
  CREDENTIAL_KINDS.flatMap((method) => [new Target(method, `subject-${method}`), new Target(method, undefined)]);

const EDITS: readonly (readonly ['counting' | 'locked' | 'disabled', string])[] = [
  ['counting', `recognized_attempts = '{}'`],
  ['counting', 'recognized_attempts = recognized_attempts || clock_timestamp()'],
  ['counting', `recognized_attempts = array_append('{}', clock_timestamp() - interval '1 day')`],
  ['counting', 'lock_level = 0'],
  ['counting', 'lock_level = lock_level + 1'],
  ['locked', 'locked_until = NULL'],
  ['locked', "locked_until = locked_until - interval '1 microsecond'"],
  ['counting', "locked_until = clock_timestamp() + interval '1 day'"],
  ['counting', `unrecognized_attempts = '{}'`],
  ['counting', 'unrecognized_attempts = unrecognized_attempts || clock_timestamp()'],
  ['counting', 'unrecognized_lock_level = 0'],
  ['counting', 'unrecognized_lock_level = unrecognized_lock_level + 1'],
  ['locked', 'unrecognized_locked_until = NULL'],
  ['counting', "unrecognized_locked_until = clock_timestamp() + interval '1 day'"],
  ['counting', 'failures = 0'],
  ['counting', 'failures = failures + 1'],
  ['counting', 'unrecognized_failures = 0'],
  ['counting', 'unrecognized_failures = unrecognized_failures + 1'],
  ['disabled', 'disabled = false'],
  ['counting', 'disabled = true'],
  ['counting', `recognized_callers = recognized_callers || 'mallory'::text`],
  ['counting', `recognized_callers = '{}'`],
  ['locked', "last_attempt_at = last_attempt_at + interval '1 day'"],
  ['locked', "last_attempt_at = last_attempt_at - interval '1 day'"],
  ['locked', 'attempt_count = attempt_count + 1'],
];

describe('a write to a counter', () => {
  it.each(EDITS)('in the state %s that sets %s gains no attempt, and is reported', async (state, set) => {
    for (const target of everyTarget()) {
      await target[state]();
      const before = await target.row();
      await target.alter(set);
      const altered = await target.row();
      if (altered === before) {
        // A counter without successes has nothing there to alter.
        expect([set, target.subject]).toEqual([expect.stringMatching(/^(recognized_|lock)/), undefined]);
        continue;
      }
      for (const caller of ['owner', 'mallory']) await expect(target.guess(caller)).rejects.toMatchObject(REFUSED);
      expect(await target.row()).toBe(altered);
      expect(await findings()).toEqual([finding(target.referenceKey)]);
      await database.query('TRUNCATE verification.outbox');
    }
  });

  it.each([
    'DELETE FROM verification.attempts',
    'UPDATE verification.attempts SET state_after = NULL',
    'UPDATE verification.attempts SET state_after.failures = 0',
    "UPDATE verification.attempts SET counted_at = counted_at + interval '1 second'",
  ])('gains no attempt when its latest ledger row is altered by %s', async (statement) => {
    for (const target of everyTarget()) {
      await target.locked();
      await target.alterRecord(statement);
      await expect(target.guess('owner')).rejects.toMatchObject(REFUSED);
      expect(await findings()).toContainEqual(finding(target.referenceKey));
    }
  });

  it.each([
    'DELETE FROM verification.counter_adjustments',
    `UPDATE verification.counter_adjustments SET recognized_callers = '{mallory}'`,
  ])('gains no attempt when its adjustment is altered by %s', async (statement) => {
    for (const target of everyTarget()) {
      await target.locked();
      await target.unlock();
      await target.alterRecord(statement);
      await expect(target.guess('owner')).rejects.toMatchObject(REFUSED);
      expect(await findings()).toContainEqual(finding(target.referenceKey));
    }
  });

  it('is not legitimized by an unlock, which reports it', async () => {
    for (const target of everyTarget()) {
      await target.locked();
      await target.alter('failures = 0');
      await target.unlock();
      expect(await findings()).toContainEqual(finding(target.referenceKey));
      await expect(target.guess('owner')).rejects.toMatchObject(REFUSED);
    }
  });

  it('is not legitimized by a success that was counted before the write', async () => {
    const target = new Target('pin', 'alice');
    await target.counting();
    const attempt = target.attempt('owner');
    const counted = countedOf(await attempts.count(attempt, POLICY));
    await target.alter(`recognized_callers = recognized_callers || 'mallory'::text`);
    await attempts.decide(outcomeOf(attempt, counted, 'verified'));
    await expect(target.guess('mallory')).rejects.toMatchObject(REFUSED);
  });

  it('is not legitimized by a new credential, which reports it, nor by the erasure of the subject', async () => {
    await subjects.change(randomUUID(), 'acme', 'alice', {});
    const enrol = async (replaces: number): Promise<void> => {
      const credential = credentialOf({ replaces, cap: 50 });
      expect(await subjects.enrol(randomUUID(), 'acme', 'alice', credential)).toMatch(/created|updated/);
    };
    const { referenceKey } = await subjects.find('acme', 'id', 'alice', 'pin');
    const guess = async (): Promise<CountedAttempt> =>
      countedOf(await attempts.count(attemptOf({ referenceKey, subject: 'alice' }), POLICY));
    await enrol(0);
    await guess();
    await enrol(1);
    const right = attemptOf({ referenceKey, subject: 'alice', caller: 'owner' });
    await attempts.decide(outcomeOf(right, countedOf(await attempts.count(right, POLICY)), 'verified'));
    expect(await guess()).toMatchObject({ granted: true, number: 3 });
    await database.query(`UPDATE verification.attempt_counters SET unrecognized_attempts = '{}'`);
    await enrol(2);
    expect(await findings()).toEqual([finding(referenceKey)]);
    await expect(guess()).rejects.toMatchObject(REFUSED);
    await erasures.erase(randomUUID(), 'acme', 'alice');
    await expect(guess()).rejects.toMatchObject(REFUSED);
    expect(await database.query('SELECT recognized_callers AS callers FROM verification.counter_adjustments')).toEqual([
      { callers: [] },
    ]);
  });

  it('does not affect the other attempts of the same statement', async () => {
    const altered = new Target('pin', 'alice');
    await altered.locked();
    await altered.alter('unrecognized_locked_until = NULL');
    const others = Array.from({ length: 63 }, () => new Target('pin', undefined));
    const [refused, ...counted] = await Promise.allSettled(
      [altered, ...others].map((target) => target.guess('other', 'rejected')),
    );
    expect(refused).toMatchObject({ status: 'rejected', reason: REFUSED });
    expect(counted.map((one) => one.status === 'fulfilled' && one.value.number)).toEqual(others.map(() => 1));
  });
});
