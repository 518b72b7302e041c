import fc from 'fast-check';
import { OUTCOMES, type Outcome } from '@countersign/contracts';
import { textOf, unstatedPart, wholeReply, type ReplyInLedger } from './stored-reply.decision.js';

const COUNTED_AT = '2026-11-28T01:02:03.456Z';
const row = (outcome: Outcome, isSuccess = false): ReplyInLedger => ({
  commandId: 'command-1',
  attempt: { attemptId: 'attempt-1', remaining: 2, countedAt: COUNTED_AT },
  outcome,
  success: isSuccess ? { level: 'verified', subject: 'alice', expiresAt: '2026-11-28T01:17:03.456Z' } : undefined,
});

describe('the stored part of a reply', () => {
  it('is nothing for a success, a rejection and a refusal, which the ledger states completely', () => {
    const reply = { commandId: 'command-1', verificationId: 'attempt-1' };
    const verified = { subjectId: 'alice', verifiedAt: COUNTED_AT, expiresAt: '2026-11-28T01:17:03.456Z' };
    const success = row('verified', true);
    expect(unstatedPart({ ...reply, outcome: 'verified', level: 'verified', ...verified }, success)).toBeNull();
    const rejected = { ...reply, outcome: 'rejected', level: 'none', attemptsLeft: 2 } as const;
    expect(unstatedPart(rejected, row('rejected'))).toBeNull();
    expect(unstatedPart({ ...reply, outcome: 'locked', level: 'none' }, row('locked'))).toBeNull();
  });

  it('restores every reply together with the ledger row, with the same text', () => {
    const field = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
    const replies = fc.record({
      commandId: fc.constantFrom('command-1', 'command-2'),
      outcome: fc.constantFrom(...OUTCOMES),
      level: fc.constantFrom('none', 'identified', 'verified'),
      verificationId: field(fc.constantFrom('attempt-1', 'attempt-2')),
      subjectId: field(fc.constantFrom('alice', 'bob')),
      attemptsLeft: field(fc.nat(3)),
      verifiedAt: field(fc.constant(COUNTED_AT)),
      mustChangePin: field(fc.boolean()),
      violations: field(fc.constant(['too_short'])),
    });
    fc.assert(
      fc.property(replies, fc.constantFrom(...OUTCOMES), fc.boolean(), (fields, outcome, isSuccess) => {
        const reply = JSON.parse(JSON.stringify(fields)) as Parameters<typeof textOf>[0];
        const restored = wholeReply(unstatedPart(reply, row(outcome, isSuccess)), row(outcome, isSuccess));
        expect(restored).toEqual(reply);
        expect(textOf(restored)).toBe(textOf(reply));
      }),
    );
  });
});
