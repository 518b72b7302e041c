import { type Message, type MessageClass } from './message.js';
import { bindingOf } from './binding.js';
import { LimitDecided, LimitRequested } from './limits.js';
import { KeysCompared } from './queries.js';
import { TOPICS } from './topics.js';
import { VerificationAdmitted, VerificationDecided, VerificationRequested } from './verification.js';

/** The setting of the adapters with the public keys of signatures. */
export const RECEIPT_PUBLIC_KEYS = 'RECEIPT_PUBLIC_KEYS';

/** All that an answer of the limiter may say: none of it makes anybody believe in a caller. */
const OF_THE_LIMITER: ReadonlySet<string> = new Set([
  ...['commandId', 'outcome', 'level', 'retryAfterSeconds', 'limitedBy', 'quotas'],
]);

/**
 * Whether an adapter may believe this answer only with the signature of the verification service. The limiter signs nothing,
 * and can only refuse; the directory and the limiter answer the commands of their own topics. That the keys of signatures
 * do not fit cannot be signed for the adapter whose keys do not fit.
 */
export function requiresSignature(question: Message, answer: Message): boolean {
  switch ((question.constructor as MessageClass).topic) {
    case TOPICS.requests.name:
      // What the limiter admits besides guesses shows nothing of a caller: what it leads to is signed, or the adapter's own.
      if (question instanceof LimitRequested) return !(answer instanceof LimitDecided);
      return !(answer instanceof VerificationDecided && isRefusal(answer));
    case TOPICS.queries.name:
      return !(answer instanceof KeysCompared && answer.mismatches?.includes(RECEIPT_PUBLIC_KEYS) === true);
    case TOPICS.subjectCommands.name:
      return true;
    default:
      return false;
  }
}

/** The question that an answer is signed with, as its asker wrote it: whoever forwarded it has changed its type. */
export function requestText(question: Message): string {
  const own = question.constructor as MessageClass;
  const type = own === VerificationAdmitted ? VerificationRequested : own;
  const { sealed } = question as { readonly sealed?: unknown };
  return JSON.stringify([bindingOf(type, question), sealed]);
}

function isRefusal(answer: VerificationDecided): boolean {
  const said = Object.entries(answer).filter(([, value]) => value !== undefined);
  const { outcome, level } = answer;
  const refuses = (outcome === 'rate_limited' || outcome === 'unavailable') && level === 'none';
  return refuses && said.every(([name]) => OF_THE_LIMITER.has(name));
}
