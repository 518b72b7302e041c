import { jest } from '@jest/globals';
import { GateModel, REAL, seeded, type Statements } from './attempt.model.js';
import { openTestTables, type TestTables } from './test-tables.js';

// A hundred thousand tries, on machines that do other work beside them.
jest.setTimeout(240_000);

const TRIES = 100_000;
/** A fault that is not found in so many tries is not found. */
const TRIES_OF_A_FAULT = 20_000;

let tables: TestTables;

beforeAll(async () => {
  tables = await openTestTables(4);
});

afterAll(() => tables.close());

/** What a careless change would make of the gate: a part of a statement, and what stands there instead. */
const FAULTS: Readonly<Record<string, readonly [keyof Statements, string, string]>> = {
  'a guess at the border of the window still counts': ['spend', 'WHERE at > n.now', 'WHERE at >= n.now'],
  'a lock holds at its very end': ['spend', 'l.locked_until > n.now', 'l.locked_until >= n.now'],
  'locks do not double': ['spend', 'power(2, LEAST(l.lock_level, 20))', '1'],
  'tries during a lock count': ['spend', 'CASE WHEN w.closed THEN l.recent WHEN', 'CASE WHEN'],
  'tries during a lock extend it': [
    'spend',
    'WHEN w.closed THEN l.locked_until',
    'WHEN w.closed THEN n.now + make_interval(secs => t.lock_seconds)',
  ],
  'one guess more than the budget is compared': ['spend', '(w.recent) < l.per_window', '(w.recent) <= l.per_window'],
  'the cap is off by one': ['spend', 'c.failures >= t.cap', 'c.failures > t.cap'],
  'strangers spend more than half of the cap': ['spend', '>= t.cap / 2', '>= t.cap'],
  'a stranger makes the last guess of an owned credential': ['spend', 'g.failures + 1 >= t.cap', 'false'],
  'a caller without a number is known': [
    'spend',
    'NOT COALESCE(t.caller = ANY (g.callers), false)',
    'NOT COALESCE(t.caller = ANY (g.callers), true)',
  ],
  'a success does not take the lock level back': [
    'close',
    'lock_level = CASE WHEN l.success THEN 0',
    'lock_level = CASE WHEN false THEN 0',
  ],
  'a success of a known caller opens the lane of strangers': [
    'close',
    'stranger_recent = CASE WHEN l.success AND l.stranger',
    'stranger_recent = CASE WHEN l.success',
  ],
  'a success revives what another try disabled': ['close', 'NOT (l.success AND l.charged_disable)', 'NOT l.success'],
  'a rejected guess makes a known caller': [
    'close',
    'CASE WHEN l.success AND l.caller IS NOT NULL',
    'CASE WHEN l.caller IS NOT NULL',
  ],
  'a success counts for a credential that is not in force': ['close', 'AND k.version = w.version', ''],
  're-enrolment refills the window': ['renew', 'SET failures', "SET recent = '{}', stranger_recent = '{}', failures"],
  're-enrolment leaves it disabled': ['renew', 'disabled = false, ', ''],
  'unlocking revives a disabled credential': ['unlock', 'SET recent', 'SET disabled = false, recent'],
  'unlocking forgives the failures': ['unlock', 'SET recent', 'SET failures = 0, recent'],
  'a success is not put on record': ['close', 'settled WHERE on_record', 'settled WHERE false'],
  'a success is on record for the try before the latest': ['close', 'g.tries AS number', 'g.tries - 1 AS number'],
  'an unlocking is not put on record': ['unlock', 'changed WHERE on_record', 'changed WHERE false'],
  're-enrolment is not put on record': ['renew', 'changed WHERE on_record', 'changed WHERE false'],
  'an erased subject leaves a guard that is not on record': [
    'makeDecoy',
    'changed WHERE on_record',
    'changed WHERE false',
  ],
  'a try leaves no state in the ledger': ['spend', 's.touched_at, s.after', 's.touched_at, NULL'],
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
