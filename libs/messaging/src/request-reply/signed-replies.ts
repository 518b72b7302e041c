import { type Message, requestText } from '@countersign/contracts';
import { type BusRecord } from '../broker.js';
import { HEADERS } from '../envelope/envelope.js';

/** Signs a text so that those who know the public key can tell who wrote it. */
export type SignReply = (text: string) => string;

/** How an asker tells a true answer from a forged one. */
export interface ReplyVerification {
  /** Whether this answer may be believed only with a signature. */
  isRequired(question: Message, answer: Message): boolean;
  /** Whether the signature is right, by a public key that the asker was configured with. */
  isValid(text: string, signature: string): boolean;
}

/**
 * The text that is signed: the answer, byte by byte, and the question that it answers. The correlation id is random and new
 * for each question, so an old answer is none to a new question; the reply address keeps it from another asker.
 */
export function signedReplyText(
  question: Message,
  address: string,
  { headers, value }: Omit<BusRecord, 'topic'>,
): string {
  const { [HEADERS.correlationId]: correlationId, [HEADERS.type]: type } = headers;
  return JSON.stringify(['answer.v1', correlationId, address, requestText(question), type, value.toString('utf8')]);
}

/** An answer with its signature in a header. */
export function withSignature(question: Message, answer: BusRecord, sign: SignReply): BusRecord {
  const signature = sign(signedReplyText(question, answer.topic, answer));
  return { ...answer, headers: { ...answer.headers, [HEADERS.signature]: signature } };
}
