import { type Message, questionText } from '@countersign/contracts';
import { type BusRecord } from './broker.js';
import { HEADERS } from './envelope.js';

/** Signs a text so that those who know the public key can tell who wrote it. */
export type SignAnswer = (text: string) => string;

/** How an asker tells a true answer from a forged one. */
export interface AnswerProof {
  /** Whether this answer may be believed only with a signature. */
  isNeeded(question: Message, answer: Message): boolean;
  /** Whether the signature is right, by a public key that the asker was configured with. */
  isRight(text: string, signature: string): boolean;
}

/**
 * The text that is signed: the answer, byte by byte, and the question that it answers. The correlation id is random and new
 * for each question, so an old answer is none to a new question; the reply address keeps it from another asker.
 */
export function answerText(question: Message, address: string, { headers, value }: Omit<BusRecord, 'topic'>): string {
  const { [HEADERS.correlationId]: correlationId, [HEADERS.type]: type } = headers;
  return JSON.stringify(['answer.v1', correlationId, address, questionText(question), type, value.toString('utf8')]);
}

/** An answer with its signature in a header. */
export function signed(question: Message, answer: BusRecord, sign: SignAnswer): BusRecord {
  const signature = sign(answerText(question, answer.topic, answer));
  return { ...answer, headers: { ...answer.headers, [HEADERS.signature]: signature } };
}
