import { type Message, requestText } from '@countersign/contracts';
import { type BusRecord } from '../broker.js';
import { HEADERS, type SignReply } from '../envelope/envelope.js';

/** How a client distinguishes a true reply from a forged one. */
export interface ReplyVerification {
  /** Whether this reply needs a signature or a MAC. */
  isRequired(request: Message, reply: Message): boolean;
  /** Whether the signature is valid for a public key that the client is configured with. */
  isValid(text: string, signature: string): boolean;
}

/**
 * The text that is signed or authenticated: the reply, byte by byte, and its request. The correlation id is random for each request, so
 * an old reply does not match a new request. The reply address prevents a replay to another client.
 */
export function signedReplyText(
  request: Message,
  address: string,
  { headers, value }: Omit<BusRecord, 'topic'>,
): string {
  const { [HEADERS.correlationId]: correlationId, [HEADERS.type]: type } = headers;
  return JSON.stringify(['answer.v1', correlationId, address, requestText(request), type, value.toString('utf8')]);
}

/** The reply with its signature in a header. */
export function withSignature(request: Message, reply: BusRecord, sign: SignReply): BusRecord {
  const signature = sign(signedReplyText(request, reply.topic, reply));
  return { ...reply, headers: { ...reply.headers, [HEADERS.signature]: signature } };
}
