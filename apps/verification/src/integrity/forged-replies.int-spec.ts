import { randomUUID } from 'node:crypto';
import { type Outcome } from '@countersign/contracts';
import { createLogger } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
import { type AttemptToCount, type CountResult } from '../attempts/attempts.ports.js';
import { type CountedAttempt } from '../attempts/counted-attempt.decision.js';
import { attemptOf, POLICY, countedOf, outcomeOf } from '../../test/attempt-gate.contract.js';
import { PostgresAttemptGate } from '../attempts/gate/attempt-gate.store.js';
import { ReplyTags } from './reply-tags.js';
import { TamperReports } from './tamper-reports.store.js';
import { openTestTables, TEST_HASH, type TestTables } from '../../test/test-tables.js';

/** Attacks by someone who can write to the stored replies and lacks the key of their tags. */
let tables: TestTables;
let database: Database;
let attempts: PostgresAttemptGate;

beforeAll(async () => {
  tables = await openTestTables();
  ({ database } = tables);
});

afterAll(() => tables.close());

beforeEach(async () => {
  const { report } = new TamperReports(tables.service, createLogger('test', 'silent'), () => undefined);
  attempts = new PostgresAttemptGate(tables.service, TEST_HASH, () => undefined, undefined, report);
  await database.query('TRUNCATE verification.outbox');
});

async function decided(outcome: Outcome): Promise<AttemptToCount & { counted: CountedAttempt }> {
  const attempt = attemptOf({ subject: 'mallory' });
  const counted = countedOf(await attempts.count(attempt, POLICY));
  await attempts.decide(outcomeOf(attempt, counted, outcome));
  return { ...attempt, counted };
}

const again = (attempt: AttemptToCount): Promise<CountResult> =>
  attempts.count({ ...attempt, attemptId: randomUUID() }, POLICY);

const alter = (attempt: AttemptToCount, set: string, table = 'attempts'): Promise<unknown> =>
  database.query(`UPDATE verification.${table} SET ${set} WHERE command_id = $1`, [attempt.commandId]);

const unavailable = ({ attemptId }: AttemptToCount): object => {
  return { kind: 'answered', reply: { outcome: 'unavailable', level: 'none', verificationId: attemptId } };
};

async function findings(): Promise<unknown[]> {
  const rows = await database.query<{ payload: string }>('SELECT payload FROM verification.outbox');
  return rows
    .map(({ payload }) => JSON.parse(payload) as { kind: string; subject?: string; detail: object })
    .filter(({ kind }) => kind === 'credential.broken')
    .map(({ subject, detail }) => ({ subject, ...detail }));
}

describe('a write to a stored reply', () => {
  it.each([
    ['turns a rejection into a success', `outcome = 'verified', level = 'verified', expires_at = clock_timestamp()`],
    ['adds a success of another subject', `reply = '{"outcome":"verified","level":"verified","subjectId":"victim"}'`],
    ['is no JSON', `reply = '{'`],
    ['removes the tag', 'reply_tag = NULL'],
    ['removes the outcome, so that the PIN would be compared again without an attempt', 'outcome = NULL'],
    ['gives it an empty tag', `reply_tag = ''`],
  ])('that %s is answered unavailable, and reported', async (_, set) => {
    const attempt = await decided('rejected');
    await alter(attempt, set);
    expect(await again(attempt)).toMatchObject(unavailable(attempt));
    const late = outcomeOf(attempt, attempt.counted, 'verified');
    expect(await attempts.decide(late)).toMatchObject({ outcome: 'unavailable' });
    const reason = set === 'reply_tag = NULL' ? 'untagged' : 'altered';
    expect(await findings()).toEqual([{ subject: 'mallory', what: 'reply', reason }]);
  });

  it('that copies a success with its tag from another command is answered unavailable', async () => {
    const [own, other] = [await decided('rejected'), await decided('verified')];
    await alter(
      own,
      `(outcome, level, reply, reply_tag) = (
         SELECT outcome, level, reply, reply_tag FROM verification.attempts WHERE command_id = '${other.commandId}')`,
    );
    expect(await again(own)).toMatchObject(unavailable(own));
    await alter(own, `attempt_id = '${other.attemptId}'`, 'commands');
    expect(await again(own)).toMatchObject({ kind: 'mismatch' });
    expect(await again(other)).toMatchObject({ kind: 'answered', reply: { outcome: 'verified' } });
  });

  it('that gives a success to another content under the same command is answered unavailable', async () => {
    const attempt = await decided('verified');
    await alter(attempt, `fingerprint = '${'0'.repeat(64)}'`, 'commands');
    expect(await again({ ...attempt, fingerprint: '0'.repeat(64) })).toMatchObject(unavailable(attempt));
  });

  it('that removes its tag is answered unavailable, until another attempt may claim the command', async () => {
    const attempt = await decided('verified');
    await alter(attempt, 'reply_tag = NULL');
    expect(await again(attempt)).toMatchObject(unavailable(attempt));
    await alter(attempt, `repeat_until = repeat_until - interval '61 seconds'`, 'commands');
    const anew = { ...attempt, attemptId: randomUUID() };
    await attempts.decide(outcomeOf(anew, countedOf(await attempts.count(anew, POLICY)), 'rejected'));
    expect(await again(attempt)).toMatchObject({ kind: 'answered', reply: { outcome: 'rejected' } });
  });

  it('to a reply of the previous version, which its command holds, is answered unavailable', async () => {
    const attempt = await decided('rejected');
    const { tenant, commandId, fingerprint, attemptId } = attempt;
    const reply = JSON.stringify(outcomeOf(attempt, attempt.counted, 'rejected').reply);
    const tag = new ReplyTags(TEST_HASH).of({ tenant, commandId, fingerprint, attemptId, reply });
    await alter(attempt, 'reply = NULL, reply_tag = NULL');
    await alter(attempt, `reply = '${reply}', reply_tag = '${tag}'`, 'commands');
    expect(await again(attempt)).toMatchObject({ kind: 'answered', reply: { outcome: 'rejected' } });
    await alter(attempt, `reply = replace(reply, 'rejected', 'verified')`, 'commands');
    expect(await again(attempt)).toMatchObject(unavailable(attempt));
  });
});
