import { createHash, randomUUID } from 'node:crypto';
import { eventually } from '@countersign/testing';
import { PostgresReadBackEntries } from '../../apps/audit/src/completeness/read-back.store.js';
import { AttemptReports } from '../../apps/verification/src/completeness/attempt-reports.store.js';
import { Retention } from '../../apps/verification/src/retention/retention.store.js';
import { ageCounters } from '../../apps/verification/test/aged-counters.js';
import { CompletenessWorld, type TestAttempt } from './completeness-world.js';

/** Ledger, log and topic, with something wrong in one of them. */
let world: CompletenessWorld;

beforeAll(async () => {
  world = await CompletenessWorld.open();
});
afterAll(() => world.close());

beforeEach(() => world.empty());

/** Attempts of one subject, all of them in the log. */
async function logged(subject: string, count: number): Promise<TestAttempt[]> {
  const attempts: TestAttempt[] = [];
  for (let n = 0; n < count; n++) attempts.push(await world.attempt({ subject }));
  await world.deliverFacts();
  return attempts;
}

const entryOf = `(convert_from(value, 'UTF8')::jsonb->'unmapped'->>'verification_id')`;
const removeEntry = (attempt: TestAttempt): Promise<void> =>
  world.force('audit.entries', `DELETE FROM audit.entries WHERE kind = 'attempt.decided' AND ${entryOf} = $1`, [
    attempt.attemptId,
  ]);

const found = async (): Promise<Record<string, number>> => Object.fromEntries(await world.records.counts());

describe('the comparison of ledger and log', () => {
  it('finds nothing while ledger and log have the same attempts of known and unknown references, by PIN and answers', async () => {
    await logged('same', 4);
    for (const method of ['pin', 'knowledge'] as const) await world.attempt({ subject: 'both', method });
    await world.attempt();
    for (const outcome of ['verified', 'locked', 'disabled', 'unavailable'] as const)
      await world.attempt({ subject: outcome, outcome });
    await world.deliverFacts();
    await world.compareAll();
    expect(await found()).toEqual({});
    expect(await world.records.comparisonAge()).toBeLessThan(10);
  });

  it('names the subject and the number of an attempt whose entry was removed from the log', async () => {
    const attempts = await logged('removed', 3);
    await removeEntry(attempts[1] as TestAttempt);
    await world.compareAll();
    expect(await found()).toEqual({ not_logged: 1 });
    const [event, ...others] = await world.raised();
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      ...{ kind: 'log.mismatch', tenant: 'acme', subject: 'removed', method: 'pin', attempt: 2 },
      ...{ verificationId: attempts[1]?.attemptId, detail: { difference: 'not_logged' } },
    });
    expect(await world.raised()).toEqual([]);
  });

  it('raises nothing for an attempt whose fact is still in transit, and forgets the difference when it arrives', async () => {
    await world.attempt({ subject: 'transit' });
    await world.attempt({ subject: 'transit', outcome: undefined });
    await world.compareAll();
    expect(await found()).toEqual({ not_logged: 1, undecided: 1 });
    await world.raise.raise(() => Promise.reject(new Error('an event was raised')));
    await world.deliverFacts();
    await world.raise.recheck();
    expect(await found()).toEqual({ undecided: 1 });
  });

  it('raises an event for an attempt that stays without an outcome', async () => {
    await world.attempt({ subject: 'open', outcome: undefined });
    await world.compareAll();
    expect(await world.raised()).toMatchObject([{ subject: 'open', attempt: 1, detail: { difference: 'undecided' } }]);
  });

  it('raises nothing while the log catches up with older attempts', async () => {
    await world.attempt({ subject: 'waits' });
    await world.compareAll();
    await world.force(
      'audit.entries',
      `INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, recorded_at)
       VALUES (2000000, gen_random_uuid(), 'attempt.decided', 'acme', clock_timestamp() - interval '10 minutes', '{}', 'acme:',
         clock_timestamp())`,
    );
    expect(await world.raised()).toEqual([]);
    await world.force('audit.entries', `DELETE FROM audit.entries WHERE value = '{}'`);
    expect(await world.raised()).toHaveLength(1);
  });

  it('raises a difference of 7 hours although a late fact arrives', async () => {
    await world.attempt({ subject: 'waits' });
    await world.compareAll();
    // One forged fact a minute would otherwise keep every difference from being raised.
    await world.force(
      'audit.entries',
      `INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, recorded_at)
       VALUES (2000000, gen_random_uuid(), 'attempt.decided', 'acme', clock_timestamp() - interval '10 minutes', '{}', 'acme:',
         clock_timestamp())`,
    );
    await world.administrator.query(`UPDATE audit.differences SET first_seen_at = first_seen_at - interval '7 hours'`);
    expect(await world.raised()).toMatchObject([{ subject: 'waits', detail: { difference: 'not_logged' } }]);
  });

  it('looks up a new missing attempt again, although 1,000 older ones are accepted', async () => {
    await world.attempt({ subject: 'new' });
    await world.compareAll();
    const [missing, ...others] = await world.records.missingInLog(1_000);
    expect(others).toEqual([]);
    await world.administrator.query(
      `INSERT INTO audit.differences (difference, key, tenant, counted_at, fact_id, first_seen_at, accepted_at)
       SELECT 'not_logged', 'restored-' || n, 'acme', '2026-01-01', gen_random_uuid(), '2026-01-01', clock_timestamp()
       FROM generate_series(1, 1000) AS n`,
    );
    const lookedUp = await world.records.missingInLog(1_000);
    expect(lookedUp).toHaveLength(1_000);
    expect(lookedUp[0]).toEqual(missing);
  });

  it('finds an entry of an attempt that was never counted', async () => {
    const [attempt] = await logged('forged', 1);
    await world.force('verification.attempts', 'DELETE FROM verification.attempts WHERE attempt_id = $1', [
      attempt?.attemptId,
    ]);
    await world.compareAll();
    expect(await found()).toEqual({ not_counted: 1 });
    expect(await world.raised()).toMatchObject([{ subject: 'forged', verificationId: attempt?.attemptId }]);
  });

  it('finds two entries of one attempt, and an entry with another number or outcome', async () => {
    const [twice, renumbered, decided] = await logged('entries', 3);
    const change = (set: string, id: string | undefined): Promise<void> =>
      world.force('audit.entries', `UPDATE audit.entries SET value = ${set} WHERE ${entryOf} = $1`, [id]);
    await world.force(
      'audit.entries',
      `INSERT INTO audit.entries (idx, event_id, kind, tenant, time, value, partition_key, recorded_at)
       SELECT 2000000, gen_random_uuid(), kind, tenant, time, value, partition_key, recorded_at
       FROM audit.entries WHERE ${entryOf} = $1`,
      [twice?.attemptId],
    );
    const replaced = (from: string, to: string): string =>
      `convert_to(replace(convert_from(value, 'UTF8'), '${from}', '${to}'), 'UTF8')`;
    await change(replaced('"attempt":2', '"attempt":7'), renumbered?.attemptId);
    await change(replaced('PIN_MISMATCH', 'VERIFIED'), decided?.attemptId);
    await world.compareAll();
    expect(await found()).toEqual({ logged_twice: 1, altered: 2 });
  });

  it('finds an entry whose bytes are no event', async () => {
    const [attempt] = await logged('damaged', 1);
    await world.force('audit.entries', `UPDATE audit.entries SET value = '\\x7b00' WHERE ${entryOf} = $1`, [
      attempt?.attemptId,
    ]);
    await world.compareAll();
    expect(await found()).toEqual({ altered: 1, not_logged: 1 });
  });

  it('finds a counter that is ahead of the ledger and the log, and names the missing attempt', async () => {
    await logged('ahead', 2);
    await world.administrator.query(
      `UPDATE verification.attempt_counters SET attempt_count = attempt_count + 3 WHERE subject_id = 'ahead'`,
    );
    await world.compareAll();
    expect(await found()).toEqual({ missing_after: 1 });
    expect(await world.raised()).toMatchObject([
      { subject: 'ahead', attempt: 3, detail: { difference: 'missing_after' } },
    ]);
  });

  it('finds a counter that was set back, and one that was removed', async () => {
    await logged('back', 2);
    await logged('gone', 1);
    await world.administrator.query(
      `UPDATE verification.attempt_counters SET attempt_count = 1 WHERE subject_id = 'back'`,
    );
    await world.administrator.query(`DELETE FROM verification.attempt_counters WHERE subject_id = 'gone'`);
    await world.compareAll();
    expect(await found()).toEqual({ counter_below: 2 });
  });

  it('finds a hole in the numbers although ledger and log lack the same attempt', async () => {
    const attempts = await logged('hole', 4);
    const hole = attempts[1] as TestAttempt;
    await removeEntry(hole);
    await world.force('verification.attempts', 'DELETE FROM verification.attempts WHERE attempt_id = $1', [
      hole.attemptId,
    ]);
    await world.compareAll();
    expect(await found()).toEqual({ missing_after: 1, missing_before: 1 });
    const events = await world.raised();
    expect(events.map(({ subject, attempt }) => [subject, attempt])).toEqual([
      ['hole', 2],
      ['hole', 2],
    ]);
  });

  it('counts a purged decoy as no difference, and its entry without a row as one before the purge', async () => {
    const referenceKey = randomUUID();
    await world.attempt({ referenceKey });
    await world.deliverFacts();
    await ageCounters(world.administrator, 40 * 86_400);
    await world.force('audit.entries', `UPDATE audit.entries SET time = time - interval '40 days'`);
    expect(await new Retention(world.verification, { decoyDays: 37, inboxDays: 8 }).purge()).toMatchObject({
      decoys: 1,
    });
    await world.compareAll(37);
    expect(await found()).toEqual({});
    await world.compareAll(60);
    expect(await found()).toMatchObject({ not_counted: expect.any(Number) as number });
  });

  it('counts an accepted difference no more', async () => {
    await world.attempt({ subject: 'accepted' });
    await world.compareAll();
    await world.administrator.query('UPDATE audit.differences SET accepted_at = clock_timestamp()');
    await world.compareAll();
    expect(await found()).toEqual({});
    expect(await world.raised()).toEqual([]);
  });

  it('counts no entry that was pruned, and still finds a newer one that was removed', async () => {
    const [older] = await logged('pruned', 2);
    await ageCounters(world.administrator, 40 * 86_400);
    await world.force(
      'audit.entries',
      `UPDATE audit.entries SET time = time - interval '40 days', recorded_at = recorded_at - interval '40 days'`,
    );
    const [, newer] = await logged('pruned', 2);
    await world.force(
      'audit.entries',
      'UPDATE audit.entries SET idx = idx + 256 - (SELECT size - 2 FROM audit.log_state)',
    );
    await removeEntry(older as TestAttempt);
    await removeEntry(newer as TestAttempt);
    await world.compareAll(60);
    expect(await found()).toEqual({ not_logged: 2 });
    await world.force(
      'audit.prunings',
      `WITH shard AS (INSERT INTO audit.shards (name, first_idx, started_at) VALUES ('1999h1', 1, 'epoch') RETURNING name)
       INSERT INTO audit.prunings (below, shard, stated_by) SELECT 256, name, 256 FROM shard`,
    );
    await world.compareAll(60);
    expect(await found()).toEqual({ not_logged: 1 });
    expect(await world.raised()).toMatchObject([{ verificationId: newer?.attemptId }]);
    await world.force('audit.prunings', 'DELETE FROM audit.prunings');
  });

  it('reports every attempt once over many short reports, and finds nothing while 8 workers attempt at few references', async () => {
    const reports = new AttemptReports(
      world.verification,
      { delaySeconds: 2, historySeconds: 0, decoyDays: 37 },
      () => undefined,
    );
    await world.administrator.query(
      `UPDATE verification.attempt_reports SET reported_until = date_trunc('second', clock_timestamp()) WHERE pass = 'live'`,
    );
    const attempts = 8 * 12;
    let reported = 0;
    const work = async (_: unknown, worker: number): Promise<void> => {
      for (let n = 0; n < 12; n++) await world.attempt({ subject: `busy-${(worker + n) % 3}` });
    };
    const compare = async (): Promise<void> => {
      for (;;) {
        const isLast = reported === attempts;
        await world.deliverFacts();
        await reports.reportLive();
        reported += await world.deliverReports();
        await world.raise.recheck();
        if (isLast) return;
      }
    };
    await Promise.all([...Array.from({ length: 8 }, work), compare()]);
    expect(reported).toBe(attempts);
    expect(await found()).toEqual({});
  });
});

describe('the pass over the history', () => {
  it('reports older attempts again and again, and finds an entry that is removed after the first comparison', async () => {
    const [first] = await logged('history', 3);
    await world.compareAll();
    await removeEntry(first as TestAttempt);
    const reports = new AttemptReports(
      world.verification,
      { delaySeconds: 0, historySeconds: 0, decoyDays: 37 },
      () => undefined,
    );
    await world.administrator.query(
      `UPDATE verification.attempt_reports SET reported_until = 'epoch', begun_at = clock_timestamp() WHERE pass = 'history'`,
    );
    await reports.reportHistory();
    expect(await world.deliverReports()).toBe(3);
    expect(await found()).toEqual({ not_logged: 1 });
    // The live pass goes on meanwhile: the pass over the history ends all the same, and begins again.
    await reports.reportLive();
    await reports.reportHistory();
    await reports.reportLive();
    await reports.reportHistory();
    expect(await world.deliverReports()).toBe(3);
  });
});

describe('the comparison of log and topic', () => {
  const valuesOfLog = (): Promise<{ idx: string; value: Buffer }[]> =>
    world.administrator.query('SELECT idx, value FROM audit.entries ORDER BY idx');
  const publish = async (skip: (index: number) => boolean, bytes?: Buffer): Promise<void> => {
    const rows = await valuesOfLog();
    const entries = rows.map(({ idx, value }) => ({
      index: Number(idx),
      sha256: createHash('sha256')
        .update(bytes ?? value)
        .digest(),
    }));
    await Promise.all(entries.filter(({ index }) => !skip(index)).map((entry) => world.published.add(entry)));
  };
  const compareTopic = (): Promise<void> => world.compareTopic();

  it('counts an entry as missing only when it is old enough to be on the topic, and raises nothing before it was sent', async () => {
    await logged('sent', 1);
    await world.records.replaceOfTopic(await world.published.differences());
    expect(await found()).toEqual({});
    await compareTopic();
    expect(await found()).toEqual({ not_published: 1 });
    await world.administrator.query(`UPDATE audit.differences SET first_seen_at = first_seen_at - interval '1 hour'`);
    await compareTopic();
    await world.raise.raise(() => Promise.reject(new Error('an event was raised')));
    await world.administrator.query('UPDATE audit.publish_cursor SET next_idx = 1');
    await compareTopic();
    expect(await world.raised()).toMatchObject([{ detail: { difference: 'not_published', index: 0, count: 1 } }]);
  });

  it('names an entry that is missing on the topic, and nothing when it arrives late, out of order and twice', async () => {
    await logged('topic', 3);
    const missing = 1;
    await publish((index) => index === missing);
    await compareTopic();
    expect(await found()).toEqual({ not_published: 1 });
    const events = await world.raised();
    expect(events.map(({ detail }) => detail)).toContainEqual({
      difference: 'not_published',
      index: missing,
      count: 1,
    });
    await publish((index) => index !== missing);
    await publish((index) => index % 2 === 0);
    await compareTopic();
    expect(await found()).toEqual({});
  });

  it('counts an entry with other bytes on the topic as missing', async () => {
    await logged('bytes', 1);
    await publish(() => false);
    await compareTopic();
    expect(await found()).toEqual({});
    const last = (await valuesOfLog()).at(-1);
    await publish((index) => index !== Number(last?.idx), Buffer.from('{}'));
    await compareTopic();
    expect(await found()).toEqual({ not_published: 1 });
  });

  it('counts an altered entry as missing, and no other, when two copies of the service wait for each other', async () => {
    await logged('copies', 3);
    const entries = (await valuesOfLog()).map(({ idx, value }) => ({
      index: Number(idx),
      sha256: createHash('sha256').update(value).digest(),
    }));
    const altered = 1;
    const copies = [new PostgresReadBackEntries(world.audit), new PostgresReadBackEntries(world.audit)];
    let adding: Promise<unknown> = Promise.resolve();
    await world.administrator.transaction(async (tx) => {
      await tx.query('SELECT FROM audit.read_back FOR UPDATE');
      const read = entries.map((entry) => (entry.index === altered ? { ...entry, sha256: entries[0]!.sha256 } : entry));
      adding = Promise.all(read.map((entry) => copies[entry.index % 2]!.add(entry)));
      const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE audit.read_back%'`;
      await eventually('both wait', async () => (await world.administrator.query(waiting)).length === copies.length);
    });
    await adding;
    await compareTopic();
    expect(await found()).toEqual({ not_published: 1 });
    expect((await world.raised()).at(-1)?.detail).toEqual({ difference: 'not_published', index: altered, count: 1 });
  });

  it('finds an event on the topic that the log does not have', async () => {
    await world.published.add({ index: 5_000_000, sha256: createHash('sha256').update('forged').digest() });
    await compareTopic();
    expect(await found()).toMatchObject({ not_in_log: 1 });
  });
});
