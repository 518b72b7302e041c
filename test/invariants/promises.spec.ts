import { describe, expect, it } from '@jest/globals';
import { type LoadRequest } from '../load.js';
import { type LedgerRow } from '../ledger.js';
import { type Copy } from '../product.js';
import { longestGap } from './measure.js';
import { violations, type Evidence } from './promises.js';

/** The parts of a copy that the promises read. */
const copyThat = (end?: { signal: 'SIGKILL' | null }): Copy =>
  ({ service: 'rest-adapter', program: { end }, urls: {} }) as unknown as Copy;

const answered: LoadRequest = {
  ...{ callId: 'call-1', adapter: 'rest-adapter', copy: copyThat(), tenant: 't', subject: 's', right: true },
  ...{
    begunAt: 1_000,
    sentAt: 1_000,
    answeredAt: 1_100,
    outcome: 'verified',
    level: 'verified',
    verificationId: 'a-1',
  },
};
const row: LedgerRow = {
  ...{ attempt_id: 'a-1', command_id: 'c-1', tenant: 't', subject_id: 's', counter_key: 'g', number: '1' },
  ...{ granted: true, charged_lock: false, outcome: 'verified' },
};
const entry = { event_id: 'e-1', kind: 'attempt.decided', subject: 's', call_id: 'call-1', attempt_id: 'a-1' };
const event = {
  ...{ id: 'e-1', type: 'countersign.attempt.decided.v1', tenant: 't', trace: undefined },
  value: { status_code: 'VERIFIED', unmapped: { verification_id: 'a-1' } },
};
/** Evidence that keeps every promise. */
const kept: Evidence = {
  ...{ requests: [answered], rows: [row], entries: [entry], events: [event], unpublished: 0, enrolled: [] },
  ...{ counted: 1, differences: [] },
  ...{ budget: { tenant: 'strict', guesses: 3 }, stopped: [] },
};
const broken = (change: Partial<Evidence>): string[] => [
  ...new Set(violations({ ...kept, ...change }).map(({ promise }) => promise)),
];

describe('the promises', () => {
  it('have no violation when every promise is kept, including repeated deliveries and records', () => {
    expect(violations(kept)).toEqual([]);
    expect(violations({ ...kept, requests: [answered, answered], events: [event, event] })).toEqual([]);
    const died = { ...answered, outcome: 'broken', copy: copyThat({ signal: 'SIGKILL' }) };
    expect(violations({ ...kept, requests: [answered, died] })).toEqual([]);
  });

  it('find an answer without its attempt, and a gap in the numbers', () => {
    expect(broken({ entries: [] })).toContain('no attempt uncounted');
    expect(broken({ rows: [] })).toContain('no attempt uncounted');
    expect(broken({ rows: [{ ...row, outcome: 'rejected' }] })).toContain('no attempt uncounted');
    expect(broken({ rows: [{ ...row, number: '2' }] })).toContain('no attempt uncounted');
  });

  it('find a request that was counted twice, and one with two different answers', () => {
    const second = { ...row, attempt_id: 'a-2', number: '2' };
    expect(broken({ rows: [row, second] })).toContain('none counted twice');
    expect(broken({ entries: [entry, { ...entry, attempt_id: 'a-2' }] })).toContain('none counted twice');
    expect(broken({ requests: [answered, { ...answered, outcome: 'locked' }] })).toContain('none counted twice');
  });

  it('find an attempt without outcome, event or entry, and facts that were never published', () => {
    expect(broken({ rows: [{ ...row, outcome: null }] })).toContain('no fact lost');
    expect(broken({ events: [] })).toContain('no fact lost');
    expect(broken({ entries: [] })).toContain('no fact lost');
    expect(broken({ unpublished: 1 })).toContain('no fact lost');
    expect(broken({ enrolled: ['s'] })).toContain('no fact lost');
    expect(broken({ rows: [{ ...row, charged_lock: true, outcome: 'locked' }] })).toContain('no fact lost');
  });

  it('find a counter that is ahead of ledger, log or topic, and what the audit service has found', () => {
    expect(broken({ counted: 2 })).toEqual(['counter, log and topic agree']);
    expect(broken({ entries: [] })).toContain('counter, log and topic agree');
    expect(broken({ events: [] })).toContain('counter, log and topic agree');
    expect(broken({ differences: ['not_logged t s 1'] })).toEqual(['counter, log and topic agree']);
  });

  it('find an attempt with two events, and an event with different bytes', () => {
    expect(broken({ events: [event, { ...event, id: 'e-2' }] })).toContain('none published under two ids');
    const changed = { ...event, value: { ...event.value, severity_id: 9 } };
    expect(broken({ events: [event, changed] })).toContain('none published under two ids');
  });

  it('find a wrong PIN that was verified, a right one that was rejected, and a success without level or row', () => {
    const promise = 'no success without its credential';
    expect(broken({ requests: [{ ...answered, right: false }] })).toEqual([promise]);
    expect(broken({ requests: [{ ...answered, level: 'none' }] })).toEqual([promise]);
    expect(broken({ requests: [{ ...answered, verificationId: 'a-9' }] })).toEqual([promise]);
    expect(broken({ requests: [{ ...answered, outcome: 'rejected' }] })).toContain(promise);
    expect(broken({ requests: [answered, { ...answered, outcome: 'other 500' }] })).toEqual([promise]);
  });

  it('find an attempt beyond the window', () => {
    const rows = [1, 2, 3, 4].map((number) => ({ ...row, attempt_id: `a-${number}`, command_id: `c-${number}` }));
    const strict = rows.map((one, at) => ({ ...one, number: String(at + 1), tenant: 'strict' }));
    expect(broken({ rows: strict })).toContain('no attempt beyond the window');
    expect(broken({ rows: strict.slice(0, 3) })).not.toContain('no attempt beyond the window');
  });

  it('find a late answer and a connection that a living process broke, and allow for the time of a stopped process', () => {
    const late = { ...answered, answeredAt: 61_000 };
    expect(broken({ requests: [late] })).toEqual(['every caller answered in bounded time']);
    expect(broken({ requests: [late], stopped: [{ copy: answered.copy, from: 900, to: 60_000 }] })).toEqual([]);
    expect(broken({ requests: [answered, { ...answered, outcome: 'broken' }] })).toEqual([
      'every caller answered in bounded time',
    ]);
  });
});

describe('the longest gap', () => {
  it('is the longest time without a decision, including the time before the first and after the last', () => {
    const at = (answeredAt: number, outcome = 'verified'): LoadRequest => ({ ...answered, answeredAt, outcome });
    expect(longestGap([at(2_000), at(3_000, 'unavailable'), at(4_500)], 1_000, 5_000)).toBe(2_500);
    expect(longestGap([at(1_100)], 1_000, 5_000)).toBe(3_900);
  });
});
