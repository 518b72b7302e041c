import { randomUUID } from 'node:crypto';
import { factRecorded, METHODS, OUTCOMES, type Method, type Outcome } from '@countersign/contracts';
import fc from 'fast-check';
import { toOcsf } from '../trail/ocsf-event.decision.js';
import { compareAttempts, readLoggedAttempt, type LogAttempt } from './compare-attempts.decision.js';

const AT = '2026-11-27T10:00:00.000Z';
const DECIDED = OUTCOMES.filter((outcome) => outcome !== 'rate_limited');
const PURGED_BEFORE = '2026-10-01T00:00:00.000Z';

interface Attempt {
  readonly attemptId: string;
  readonly number: number;
  readonly outcome: Outcome;
  readonly method: Method;
}

const bytesOf = ({ attemptId, number, outcome, method }: Attempt): Buffer =>
  Buffer.from(
    JSON.stringify(
      toOcsf(
        factRecorded('attempt.decided', new Date(AT), {
          ...{ tenant: 'acme', subject: 'alice', channel: 'rest', verificationId: attemptId },
          ...{ attempt: number, outcome, method },
        }),
      ),
    ),
  );
const reportedOf = (attempt: Attempt) => ({ ...attempt, countedAt: AT, tenant: 'acme', subject: 'alice' });
const loggedOf = (attempt: Attempt): LogAttempt => ({
  ...{ eventId: randomUUID(), tenant: 'acme', subject: 'alice', countedAt: AT },
  attempt: readLoggedAttempt(bytesOf(attempt)),
});

describe('the attempt of a published event', () => {
  it.each(METHODS.flatMap((method) => DECIDED.map((outcome) => [method, outcome] as const)))(
    'by %s with the outcome %s is read as the ledger has it',
    (method, outcome) => {
      const attempt = { attemptId: randomUUID(), number: 7, outcome, method };
      expect(readLoggedAttempt(bytesOf(attempt))).toEqual({ id: attempt.attemptId, number: 7, outcome });
    },
  );

  it.each(['', 'null', '{}', '[1]', '{"unmapped":null}', '{"unmapped":{"attempt":1}}', '{"unmapped":{'])(
    'is undefined for the bytes %j',
    (text) => expect(readLoggedAttempt(Buffer.from(text))).toBeUndefined(),
  );
});

describe('the comparison of attempts', () => {
  const attempts = fc
    .array(fc.record({ outcome: fc.constantFrom(...DECIDED), method: fc.constantFrom(...METHODS) }), { maxLength: 20 })
    .map((all) => all.map((one, at) => ({ ...one, attemptId: randomUUID(), number: at + 1 })));

  it('finds nothing if every attempt has one entry, in any order', () => {
    fc.assert(
      fc.property(attempts, (all) => {
        const report = { attempts: all.map(reportedOf), purgedBefore: PURGED_BEFORE };
        expect(compareAttempts(report, all.map(loggedOf).reverse())).toEqual([]);
      }),
    );
  });

  it('names exactly the attempts whose entries are missing, doubled or changed, and those that were never counted', () => {
    const change = fc.constantFrom('kept', 'missing', 'twice', 'renumbered', 'forged');
    fc.assert(
      fc.property(attempts, fc.array(change, { minLength: 20, maxLength: 20 }), (all, changes) => {
        const expected: string[] = [];
        const logged: LogAttempt[] = [];
        const reported = all.filter((_, at) => changes[at] !== 'forged').map(reportedOf);
        for (const [at, attempt] of all.entries()) {
          const difference = {
            missing: 'not_logged',
            twice: 'logged_twice',
            renumbered: 'altered',
            forged: 'not_counted',
          };
          const made = changes[at] as keyof typeof difference | 'kept';
          if (made !== 'missing') logged.push(loggedOf(made === 'renumbered' ? { ...attempt, number: 99 } : attempt));
          if (made === 'twice') logged.push(loggedOf(attempt));
          if (made !== 'kept') expected.push(`${difference[made]} ${attempt.attemptId}`);
        }
        const found = compareAttempts({ attempts: reported, purgedBefore: PURGED_BEFORE }, logged);
        expect(found.map(({ difference, key }) => `${difference} ${key}`).sort()).toEqual(expected.sort());
      }),
    );
  });

  it('counts no attempt of a time from which the log may have pruned entries', () => {
    const attempt = reportedOf({ attemptId: randomUUID(), number: 1, outcome: 'rejected', method: 'pin' });
    const compare = (prunedBefore?: string): unknown[] =>
      compareAttempts({ attempts: [attempt], purgedBefore: PURGED_BEFORE }, [], prunedBefore);
    expect(compare('2026-11-27T10:00:00.001Z')).toEqual([]);
    expect(compare(AT)).toMatchObject([{ difference: 'not_logged', subject: 'alice', number: 1 }]);
    expect(compare()).toHaveLength(1);
  });

  it('counts no entry of a time from which the ledger may have purged attempts', () => {
    const entry = loggedOf({ attemptId: randomUUID(), number: 1, outcome: 'rejected', method: 'pin' });
    const compare = (purgedBefore: string): unknown[] => compareAttempts({ attempts: [], purgedBefore }, [entry]);
    expect(compare('2026-11-27T10:00:00.001Z')).toEqual([]);
    expect(compare(AT)).toMatchObject([{ difference: 'not_counted', subject: 'alice', number: 1 }]);
  });
});
