import { type Message, type MessageClass } from './message.js';
import { bindingOf } from '../verification/binding.js';
import { LimitDecided, LimitRequested } from '../verification/limits.js';
import { KeysCompared } from '../verification/queries.js';
import { TOPICS } from '../topics.js';
import { VerificationAdmitted, VerificationDecided, VerificationRequested } from '../verification/verification.js';

/** The setting of the adapters with the public keys of signatures. */
export const RECEIPT_PUBLIC_KEYS = 'RECEIPT_PUBLIC_KEYS';

/** The fields that a reply of the limiter may have. None of them lets anyone trust a caller. */
const LIMITER_FIELDS: ReadonlySet<string> = new Set([
  ...['commandId', 'outcome', 'level', 'retryAfterSeconds', 'limitedBy', 'quotas'],
]);

/**
 * Whether an adapter accepts this reply only with a signature of the verification service.
 * - The limiter has no key for signatures, so unsigned replies to attempts can only refuse.
 * - The directory and the limiter answer the commands of their own topics without signatures.
 * - An adapter with the wrong public keys cannot verify a signature, so the reply about these keys needs none.
 */
export function requiresSignature(request: Message, reply: Message): boolean {
  switch ((request.constructor as MessageClass).topic) {
    case TOPICS.requests.name:
      // Admitting a request without a submitted secret reveals nothing about a caller.
      if (request instanceof LimitRequested) return !(reply instanceof LimitDecided);
      return !(reply instanceof VerificationDecided && isRefusal(reply));
    case TOPICS.queries.name:
      return !(reply instanceof KeysCompared && reply.mismatches?.includes(RECEIPT_PUBLIC_KEYS) === true);
    case TOPICS.subjectCommands.name:
      return true;
    default:
      return false;
  }
}

/** The text of a request that is signed with its reply, as its sender wrote it: the limiter forwards it as another type. */
export function requestText(request: Message): string {
  const own = request.constructor as MessageClass;
  const type = own === VerificationAdmitted ? VerificationRequested : own;
  const { sealed } = request as { readonly sealed?: unknown };
  return JSON.stringify([bindingOf(type, request), sealed]);
}

function isRefusal(reply: VerificationDecided): boolean {
  const fields = Object.entries(reply).filter(([, value]) => value !== undefined);
  const { outcome, level } = reply;
  const refuses = (outcome === 'rate_limited' || outcome === 'unavailable') && level === 'none';
  return refuses && fields.every(([name]) => LIMITER_FIELDS.has(name));
}
