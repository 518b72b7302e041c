import { type FieldsOf, type Outcome, type VerificationDecided } from '@countersign/contracts';
import { type CountedAttempt } from '../counted-attempt.decision.js';
import { type RecordedSuccess } from '../../calls/call-state.decision.js';

/** The columns of a decided attempt from which its reply follows. */
export interface ReplyInLedger {
  readonly commandId: string;
  readonly attempt: Pick<CountedAttempt, 'attemptId' | 'remaining' | 'countedAt'>;
  readonly outcome: Outcome;
  readonly success: Pick<RecordedSuccess, 'level' | 'subject' | 'expiresAt'> | undefined;
}

type Reply = FieldsOf<VerificationDecided>;

/**
 * The part of a reply that its ledger row does not state, as JSON; null: nothing, as for nearly every reply. A field that is only
 * in the ledger is null in it.
 */
export function unstatedPart(reply: Reply, row: ReplyInLedger): string | null {
  const [stated, whole] = [new Map(Object.entries(statedPart(row))), new Map(Object.entries(reply))];
  const names = [...new Set([...whole.keys(), ...stated.keys()])];
  const different = names.filter((name) => JSON.stringify(whole.get(name)) !== JSON.stringify(stated.get(name)));
  if (different.length === 0) return null;
  return JSON.stringify(Object.fromEntries(different.map((name) => [name, whole.get(name) ?? null])));
}

/** The reply, of which only `unstated` was stored. @throws SyntaxError if that is no JSON */
export function wholeReply(unstated: string | null, row: ReplyInLedger): Reply {
  const stored = JSON.parse(unstated ?? '{}') as object;
  const fields = Object.entries({ ...statedPart(row), ...stored });
  return Object.fromEntries(fields.filter(([, value]) => value !== null)) as unknown as Reply;
}

/** One text for equal replies, whatever the order of their fields. */
export function textOf(reply: Reply): string {
  const fields = Object.entries(reply).filter(([, value]) => value !== undefined);
  return JSON.stringify(fields.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function statedPart({ commandId, attempt, outcome, success }: ReplyInLedger): Reply {
  return {
    commandId,
    outcome,
    level: success?.level ?? 'none',
    verificationId: attempt.attemptId,
    ...(success && { subjectId: success.subject, verifiedAt: attempt.countedAt, expiresAt: success.expiresAt }),
    ...(outcome === 'rejected' ? { attemptsLeft: attempt.remaining } : {}),
  };
}
