import { randomUUID } from 'node:crypto';
import { type Message, type MessageClass, REPLY, type Requester } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type BusRecord, type ConsumedRecord } from '../broker.js';

/** Names of the record headers. */
export const HEADERS = {
  type: 'type',
  /** Id of the record; stays the same when the record is sent again. */
  id: 'id',
  /** Topic for the reply. */
  replyTo: 'reply-to',
  correlationId: 'correlation-id',
  /** Milliseconds since 1970, by the brokers' clock. After it no reply is expected. */
  deadline: 'deadline',
  /** W3C trace context: the trace that the record belongs to. */
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  /**
   * The tenant, agent and caller that a record is handled for, see {@link requesterOf}. Used for fair ordering only.
   */
  requester: 'requester',
  /** Of a reply: signature or MAC over the reply and its request; see `signed-replies.ts`. */
  signature: 'signature',
  /** Of a replayed record: id of its dead letter. */
  replayOf: 'replay-of',
} as const;

/** Prefix of reply topics. */
export const REPLY_TOPIC_PREFIX = 'replies.';

const TRACE: readonly string[] = [HEADERS.traceparent, HEADERS.tracestate];

/** A message to send. Handlers return these and publish nothing themselves. */
export type Outgoing = OutgoingMessage | OutgoingBytes;

export interface OutgoingMessage {
  readonly message: Message;
  /** Replaces the topic of the message class: a reply address. */
  readonly topic?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of a reply: proves this one, in place of the signer of the service. */
  readonly sign?: SignReply;
}

/** Proves a text to its reader: a signature, or a MAC under a key that only the reader and the writer have. */
export type SignReply = (text: string) => string;

/** A record in a form that is not ours, such as a public event; sent unchanged. */
export interface OutgoingBytes {
  readonly record: BusRecord;
}

/** What a handler receives with the message. */
export interface BusContext {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Header `deadline` in milliseconds since 1970. Undefined: no deadline (facts). */
  readonly deadline: number | undefined;
  /** When the record was handed to the handler, in milliseconds since 1970 on the same clock as `deadline`. */
  readonly now: number;
  /**
   * The topic for the reply. Undefined when the message expects none, or when the header does not name a reply topic.
   */
  readonly replyTo: string | undefined;
}

export function contextOf(record: ConsumedRecord, now: number): BusContext {
  const { topic, partition, offset, headers } = record;
  const deadline = Number(headers[HEADERS.deadline] ?? NaN);
  const address = headers[HEADERS.replyTo];
  return {
    topic,
    partition,
    offset,
    headers,
    deadline: Number.isFinite(deadline) ? deadline : undefined,
    now,
    // A sender must not make the service write to any other topic that it may write to.
    replyTo: address?.startsWith(REPLY_TOPIC_PREFIX) === true ? address : undefined,
  };
}

/** Whether the deadline has passed, so no reply is expected. For handlers with `handlesExpired`. */
export function isExpired({ deadline, now }: BusContext): boolean {
  return deadline !== undefined && deadline < now;
}

/**
 * Converts a message to a record: the JSON of its own fields, with its type and an id in the headers.
 * @throws ServiceError INTERNAL when it is a reply without an address
 */
export function toRecord(outgoing: Outgoing): BusRecord {
  if ('record' in outgoing) return outgoing.record;
  const { message, headers } = outgoing;
  const { type, topic: ownTopic } = message.constructor as MessageClass;
  const topic = outgoing.topic ?? ownTopic;
  if (topic === REPLY) {
    throw new ServiceError('INTERNAL', `${type} is a reply: create it with replyTo(context, message)`, false);
  }
  return {
    topic,
    key: message.partitionKey,
    value: Buffer.from(JSON.stringify(message)),
    headers: {
      ...requesterHeader(message),
      ...headers,
      [HEADERS.type]: type,
      [HEADERS.id]: headers?.[HEADERS.id] ?? randomUUID(),
    },
  };
}

/** Characters of the keyed hash of a caller that distinguish callers for fairness. */
const CALLER_LENGTH = 16;

/** The requester of a message, as far as its fields name one. Names of tenants and agents contain no space. */
export function requesterOfMessage(message: object): Requester | undefined {
  const { tenant, agent, callerKey, subjectRef, callId } = message as Partial<Record<string, unknown>>;
  if (typeof tenant !== 'string') return undefined;
  // Requests without a caller are distinguished by their subject.
  const caller = typeof callerKey === 'string' ? callerKey.slice(0, CALLER_LENGTH) : (subjectRef ?? callId);
  return { tenant, agent: typeof agent === 'string' ? agent : '', caller: typeof caller === 'string' ? caller : '' };
}

function requesterHeader(message: Message): Record<string, string> {
  const requester = requesterOfMessage(message);
  if (requester === undefined) return {};
  return { [HEADERS.requester]: `${requester.tenant} ${requester.agent} ${requester.caller}` };
}

/** All records without a requester share one place in the fair order. */
export const NO_REQUESTER: Requester = { tenant: '', agent: '', caller: '' };

/**
 * The requester of a record. A sender can write any value, so it is used for fair ordering only and grants no right.
 */
export function requesterOf({ headers }: Pick<BusRecord, 'headers'>): Requester {
  const text = headers[HEADERS.requester];
  if (text === undefined) return NO_REQUESTER;
  const [tenant = '', agent = '', ...caller] = text.split(' ');
  return { tenant, agent, caller: caller.join(' ') };
}

/** The reply to the message of this context. Undefined when none is expected; handlers may return that. */
export function replyTo(context: BusContext, message: Message): OutgoingMessage | undefined {
  if (context.replyTo === undefined) return undefined;
  return {
    message,
    topic: context.replyTo,
    headers: pickHeaders(context, [HEADERS.correlationId, HEADERS.requester, ...TRACE]),
  };
}

/** Forwards reply address, correlation id and deadline with another message, so that the next service replies. */
export function forward(context: BusContext, message: Message): OutgoingMessage {
  const names = [HEADERS.replyTo, HEADERS.correlationId, HEADERS.deadline, ...TRACE];
  return { message, headers: pickHeaders(context, names) };
}

function pickHeaders(context: BusContext, names: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = context.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
