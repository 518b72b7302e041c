import { jest } from '@jest/globals';
import { GateModel, REAL, seeded, type Statements } from '../../test/attempt-gate.model.js';
import { openTestTables, type TestTables } from '../../test/test-tables.js';

// On machines that do other work as well.
jest.setTimeout(240_000);

const ATTEMPTS = process.env['INVARIANTS_FORM'] === 'full' ? 100_000 : 20_000;
/** Every fault below is detected within this many attempts. */
const ATTEMPTS_PER_FAULT = 20_000;

let tables: TestTables;

beforeAll(async () => {
  tables = await openTestTables(4);
});

afterAll(() => tables.close());

/** Faults that a change could introduce: the statement, a part of its text, and the text that replaces it. */
const FAULTS: Readonly<Record<string, readonly [keyof Statements, string, string]>> = {
  'an attempt at the very end of the window still counts': ['count', 'WHERE at > clock.now', 'WHERE at >= clock.now'],
  'a lock holds at its very end': ['count', 'locked_until > clock.now', 'locked_until >= clock.now'],
  'locks do not double': ['count', 'power(2, LEAST(own.lock_level, 20))', '1'],
  'attempts during a lock count': [
    'count',
    'WHEN before.closed THEN own.attempts',
    'WHEN before.closed THEN own.attempts || clock.now',
  ],
  'attempts during a lock are compared': [
    'count',
    'NOT before.closed AND used.attempts < attempt.per_window - own.',
    'used.attempts < attempt.per_window - own.',
  ],
  'attempts during a lock extend it': [
    'count',
    'WHEN before.closed THEN own.locked_until',
    'WHEN before.closed THEN clock.now + make_interval(secs => attempt.lock_seconds)',
  ],
  'one attempt more than the window allows is compared': [
    'count',
    'used.attempts < attempt.per_window',
    'used.attempts <= attempt.per_window',
  ],
  'the attempts of both groups of callers add up to one too few': [
    'count',
    ') AS attempts\n    OFFSET 0\n  ) used',
    ') - (cardinality(before.recognized) > 0 AND cardinality(before.unrecognized) > 0)::int AS attempts) used',
  ],
  'unrecognized callers use the reserved attempt': ['count', ' - own.last_is_reserved::int', ''],
  'the last attempt is reserved where nobody is recognized': [
    'count',
    'caller.unrecognized AND cardinality(counter.recognized_callers) > 0',
    'caller.unrecognized AND cardinality(counter.recognized_callers) >= 0',
  ],
  'unrecognized callers use more than all but one attempt of a recognized caller': [
    'count',
    'ELSE attempt.per_window - 1 END',
    'ELSE attempt.per_window END',
  ],
  'the lock of unrecognized callers holds for recognized ones': [
    'count',
    'caller.unrecognized AND COALESCE(counter.unrecognized_locked_until > clock.now, false)',
    'COALESCE(counter.unrecognized_locked_until > clock.now, false)',
  ],
  'the lock of all callers does not hold for unrecognized ones': [
    'count',
    'COALESCE(counter.locked_until > clock.now, false)',
    'NOT caller.unrecognized AND COALESCE(counter.locked_until > clock.now, false)',
  ],
  'attempts before a lock count after it': [
    'count',
    'AND NOT COALESCE(counter.unrecognized_locked_until <= clock.now, false)',
    '',
  ],
  'the cap is off by one': ['count', 'failed.failures >= attempt.cap', 'failed.failures > attempt.cap'],
  'unrecognized callers use more than half of the cap': ['count', '>= attempt.cap / 2', '>= attempt.cap'],
  'an unrecognized caller makes the last attempt of the cap of a credential with recognized callers': [
    'count',
    'counter.failures + 1 >= attempt.cap',
    'false',
  ],
  'a caller without a number is recognized': [
    'count',
    'NOT COALESCE(attempt.caller = ANY (counter.recognized_callers), false)',
    'NOT COALESCE(attempt.caller = ANY (counter.recognized_callers), true)',
  ],
  'an attempt leaves no state in the ledger': ['count', 'counted.state_after', 'NULL'],
  'a success does not reset the lock level': [
    'decide',
    ' lock_level = CASE WHEN decided.is_success THEN 0',
    ' lock_level = CASE WHEN false THEN 0',
  ],
  'a success of a recognized caller clears the window of unrecognized ones': [
    'decide',
    "WHEN decided.is_success AND decided.unrecognized THEN '{}'",
    "WHEN decided.is_success THEN '{}'",
  ],
  'a success enables what another attempt disabled': [
    'decide',
    'NOT (decided.is_success AND decided.charged_disable)',
    'NOT decided.is_success',
  ],
  'a rejected attempt makes a recognized caller': [
    'decide',
    'WHEN decided.is_success AND decided.caller IS NOT NULL',
    'WHEN decided.caller IS NOT NULL',
  ],
  'a success counts for a credential that is not in force': ['decide', 'AND credential.version = compared.version', ''],
  'a success is not stored as an adjustment': ['decide', 'applied WHERE is_adjustment', 'applied WHERE false'],
  'the adjustment by a success has the number of the attempt before the latest': [
    'decide',
    'counter.attempt_count AS number',
    'counter.attempt_count - 1 AS number',
  ],
  're-enrolment clears the window': [
    'resetForNewCredential',
    'SET\n    failures',
    "SET recognized_attempts = '{}', unrecognized_attempts = '{}', failures",
  ],
  're-enrolment leaves the credential disabled': ['resetForNewCredential', 'disabled = false,', ''],
  're-enrolment is not stored as an adjustment': [
    'resetForNewCredential',
    'changed WHERE agrees',
    'changed WHERE false',
  ],
  'an unlock enables a disabled credential': [
    'unlock',
    'SET\n    recognized_attempts',
    'SET disabled = false, recognized_attempts',
  ],
  'an unlock clears the failures': ['unlock', 'SET\n    recognized_attempts', 'SET failures = 0, recognized_attempts'],
  'an unlock is not stored as an adjustment': ['unlock', 'changed WHERE agrees', 'changed WHERE false'],
  'the erasure of a subject is not stored as an adjustment': [
    'makeDecoy',
    'changed WHERE agrees',
    'changed WHERE false',
  ],
};

describe('the SQL statements of the attempt gate', () => {
  it(`decide like the pure functions in ${ATTEMPTS} random attempts with jumps in time`, async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const difference = await new GateModel(tables.database, REAL, seeded(seed)).play(ATTEMPTS);
    expect({ seed, difference }).toEqual({ seed, difference: undefined });
  });

  it.each(Object.entries(FAULTS))(
    'differ from the pure functions, which the model detects, when %s',
    async (_, [name, right, wrong]) => {
      const text = REAL[name].replaceAll(right, wrong);
      expect(text).not.toBe(REAL[name]);
      const model = new GateModel(tables.database, { ...REAL, [name]: text }, seeded(1));
      expect(await model.play(ATTEMPTS_PER_FAULT)).toMatch(/ is .* and should be /);
    },
  );
});
