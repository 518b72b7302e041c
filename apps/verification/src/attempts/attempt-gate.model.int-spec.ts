import { jest } from '@jest/globals';
import { GateModel, REAL, seeded, type Statements } from '../../test/attempt-gate.model.js';
import { openTestTables, type TestTables } from '../../test/test-tables.js';

// A hundred thousand attempts, on machines that do other work as well.
jest.setTimeout(240_000);

const TRIES = 100_000;
/** A fault that is not found in so many tries is not found. */
const TRIES_OF_A_FAULT = 20_000;

let tables: TestTables;

beforeAll(async () => {
  tables = await openTestTables(4);
});

afterAll(() => tables.close());

/** Faults that a change could bring in: a statement, a part of it, and what the fault puts in its place. */
const FAULTS: Readonly<Record<string, readonly [keyof Statements, string, string]>> = {
  'an attempt at the very end of the window still counts': ['spend', 'WHERE at > n.now', 'WHERE at >= n.now'],
  'a lock holds at its very end': ['spend', 'locked_until > n.now', 'locked_until >= n.now'],
  'locks do not double': ['spend', 'power(2, LEAST(c.lock_level, 20))', '1'],
  'attempts during a lock count': ['spend', 'WHEN w.closed THEN c.attempts', 'WHEN w.closed THEN c.attempts || n.now'],
  'attempts during a lock are compared': [
    'spend',
    'NOT w.closed AND u.taken < t.per_window - c.',
    'u.taken < t.per_window - c.',
  ],
  'attempts during a lock extend it': [
    'spend',
    'WHEN w.closed THEN c.locked_until',
    'WHEN w.closed THEN n.now + make_interval(secs => t.lock_seconds)',
  ],
  'one attempt more than the budget is compared': ['spend', 'u.taken < t.per_window', 'u.taken <= t.per_window'],
  'sum over lanes is one more': [
    'spend',
    'END) AS taken',
    'END) - (cardinality(w.recognized) > 0 AND cardinality(w.unrecognized) > 0)::int AS taken',
  ],
  'unrecognised callers take the last one': ['spend', ' - c.last_is_reserved::int', ''],
  'the last attempt is reserved where nobody is recognized': [
    'spend',
    'k.unrecognized AND cardinality(g.callers) > 0',
    'k.unrecognized AND cardinality(g.callers) >= 0',
  ],
  'unrecognized callers take more than all but one attempt from a recognized caller': [
    'spend',
    'ELSE t.per_window - 1 END',
    'ELSE t.per_window END',
  ],
  'the lock of unrecognized callers holds for recognized ones': [
    'spend',
    'c.unrecognized AND COALESCE(g.unrecognized_locked_until > n.now, false)',
    'COALESCE(g.unrecognized_locked_until > n.now, false)',
  ],
  'the lock of everybody does not hold for unrecognized callers': [
    'spend',
    'COALESCE(g.locked_until > n.now, false)',
    'NOT c.unrecognized AND COALESCE(g.locked_until > n.now, false)',
  ],
  'attempts before a lock count after it': [
    'spend',
    ' AND NOT COALESCE(g.unrecognized_locked_until <= n.now, false)',
    '',
  ],
  'the cap is off by one': ['spend', 'f.failures >= t.cap', 'f.failures > t.cap'],
  'unrecognized callers spend more than half of the cap': ['spend', '>= t.cap / 2', '>= t.cap'],
  'an unrecognized caller makes the last attempt of the cap of an owned credential': [
    'spend',
    'g.failures + 1 >= t.cap',
    'false',
  ],
  'a caller without a number is recognized': [
    'spend',
    'NOT COALESCE(t.caller = ANY (g.callers), false)',
    'NOT COALESCE(t.caller = ANY (g.callers), true)',
  ],
  'a success does not take the lock level back': [
    'close',
    ' lock_level = CASE WHEN l.success THEN 0',
    ' lock_level = CASE WHEN false THEN 0',
  ],
  'a success of a recognized caller clears the window of unrecognized ones': [
    'close',
    'unrecognized_attempts = CASE WHEN l.success AND l.unrecognized',
    'unrecognized_attempts = CASE WHEN l.success',
  ],
  'a success enables what another attempt disabled': [
    'close',
    'NOT (l.success AND l.charged_disable)',
    'NOT l.success',
  ],
  'a rejected attempt makes a recognized caller': [
    'close',
    'CASE WHEN l.success AND l.caller IS NOT NULL',
    'CASE WHEN l.caller IS NOT NULL',
  ],
  'a success counts for a credential that is not in force': ['close', 'AND k.version = w.version', ''],
  're-enrolment refills the window': [
    'reset',
    'SET failures',
    "SET recognized_attempts = '{}', unrecognized_attempts = '{}', failures",
  ],
  're-enrolment leaves it disabled': ['reset', 'disabled = false, ', ''],
  'unlocking enables a disabled credential': [
    'unlock',
    'SET recognized_attempts',
    'SET disabled = false, recognized_attempts',
  ],
  'unlocking clears the failures': ['unlock', 'SET recognized_attempts', 'SET failures = 0, recognized_attempts'],
  'a success is not put on record': ['close', 'settled WHERE on_record', 'settled WHERE false'],
  'a success is on record for the attempt before the latest': ['close', 'g.tries AS number', 'g.tries - 1 AS number'],
  'an unlocking is not put on record': ['unlock', 'changed WHERE on_record', 'changed WHERE false'],
  're-enrolment is not put on record': ['reset', 'changed WHERE on_record', 'changed WHERE false'],
  'an erased subject leaves a counter that is not on record': [
    'makeDecoy',
    'changed WHERE on_record',
    'changed WHERE false',
  ],
  'an attempt leaves no state in the ledger': ['spend', 's.touched_at, s.after', 's.touched_at, NULL'],
};

describe('the statements of the gate', () => {
  it(`decide like the pure functions in ${TRIES} random tries with jumps in time`, async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const difference = await new GateModel(tables.database, REAL, seeded(seed)).play(TRIES);
    expect({ seed, difference }).toEqual({ seed, difference: undefined });
  });

  it.each(Object.entries(FAULTS))('are found out by the model when %s', async (_, [name, right, wrong]) => {
    const text = REAL[name].replaceAll(right, wrong);
    expect(text).not.toBe(REAL[name]);
    const model = new GateModel(tables.database, { ...REAL, [name]: text }, seeded(1));
    expect(await model.play(TRIES_OF_A_FAULT)).toMatch(/ is .* and should be /);
  });
});
