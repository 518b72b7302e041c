import { randomUUID } from 'node:crypto';
import { type Message, type MessageClass, REPLY, type Requester } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type BusRecord, type ConsumedRecord } from '../broker.js';

/** Names of the record headers. */
export const HEADERS = {
  type: 'type',
  /** Id of the record, the same when it is sent again. */
  id: 'id',
  /** Topic of the asker's reply address. */
  replyTo: 'reply-to',
  correlationId: 'correlation-id',
  /** Milliseconds since 1970, by the brokers' clock, after which nobody waits for the answer any more. */
  deadline: 'deadline',
  /** Trace context as W3C writes it: which trace the record belongs to. */
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  /** On whose behalf the record is handled, see {@link requesterOf}: for the order of what waits, and for nothing else. */
  requester: 'requester',
  /** Of an answer: who wrote it, for which question; see `answer-proof.ts`. */
  signature: 'signature',
  /** Id of the dead letter whose record is sent again by it. */
  replayOf: 'replay-of',
} as const;

/** How the topics begin that are reply addresses. */
export const REPLY_TOPICS = 'replies.';

const TRACE: readonly string[] = [HEADERS.traceparent, HEADERS.tracestate];

/** What is on its way out. Handlers return these; they publish nothing themselves. */
export type Outgoing = OutgoingMessage | OutgoingBytes;

export interface OutgoingMessage {
  readonly message: Message;
  /** Overrides the topic of the message's class: a reply address. */
  readonly topic?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Bytes that are somebody else's form, such as a public event: sent exactly as they are. */
export interface OutgoingBytes {
  readonly record: BusRecord;
}

/** What a handler learns besides the message. */
export interface BusContext {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Header `deadline` in milliseconds since 1970; undefined: somebody waits for ever (facts). */
  readonly deadline: number | undefined;
  /** When the record was handed over, in milliseconds since 1970 on the same clock as `deadline`. */
  readonly now: number;
  /** The asker's address; undefined when nobody asked, or when what the header names is no reply address. */
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
    // Whoever may ask must not have the service write to any other topic that it has a right to.
    replyTo: address?.startsWith(REPLY_TOPICS) === true ? address : undefined,
  };
}

/** Whether nobody waits for the outcome any more; for handlers that take expired messages (`handlesExpired`). */
export function isExpired({ deadline, now }: BusContext): boolean {
  return deadline !== undefined && deadline < now;
}

/**
 * The record of a message: the JSON of its own fields, its type and an id in the headers.
 * @throws ServiceError INTERNAL when it is a reply and names no address.
 */
export function toRecord(outgoing: Outgoing): BusRecord {
  if ('record' in outgoing) return outgoing.record;
  const { message, headers } = outgoing;
  const { type, topic: ownTopic } = message.constructor as MessageClass;
  const topic = outgoing.topic ?? ownTopic;
  if (topic === REPLY) {
    throw new ServiceError('INTERNAL', `${type} is a reply: send it with replyTo(context, message)`, false);
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

/** As much of the keyed hash of a caller as tells callers apart. */
const CALLER_LENGTH = 16;

/** On whose behalf a message is sent, as far as its fields say so. Names of tenants and agents hold no space. */
export function requesterOfMessage(message: object): Requester | undefined {
  const { tenant, agent, callerKey, subjectRef, callId } = message as Partial<Record<string, unknown>>;
  if (typeof tenant !== 'string') return undefined;
  // Requests without a caller are told apart by their subject.
  const caller = typeof callerKey === 'string' ? callerKey.slice(0, CALLER_LENGTH) : (subjectRef ?? callId);
  return { tenant, agent: typeof agent === 'string' ? agent : '', caller: typeof caller === 'string' ? caller : '' };
}

function requesterHeader(message: Message): Record<string, string> {
  const requester = requesterOfMessage(message);
  if (requester === undefined) return {};
  return { [HEADERS.requester]: `${requester.tenant} ${requester.agent} ${requester.caller}` };
}

/** What is handled on behalf of nobody shares one turn. */
export const NO_REQUESTER: Requester = { tenant: '', agent: '', caller: '' };

/** On whose behalf a record is handled. Believed only for the order of what waits: it gives nobody a right. */
export function requesterOf({ headers }: Pick<BusRecord, 'headers'>): Requester {
  const text = headers[HEADERS.requester];
  if (text === undefined) return NO_REQUESTER;
  const [tenant = '', agent = '', ...caller] = text.split(' ');
  return { tenant, agent, caller: caller.join(' ') };
}

/**
 * The answer to the message of this context, for its asker. Undefined when nobody asked: handlers may return that as it
 * is.
 */
export function replyTo(context: BusContext, message: Message): OutgoingMessage | undefined {
  if (context.replyTo === undefined) return undefined;
  return {
    message,
    topic: context.replyTo,
    headers: kept(context, [HEADERS.correlationId, HEADERS.requester, ...TRACE]),
  };
}

/** Hands the asker's address, question and deadline on with another message: the next service answers in one's place. */
export function forward(context: BusContext, message: Message): OutgoingMessage {
  const names = [HEADERS.replyTo, HEADERS.correlationId, HEADERS.deadline, ...TRACE];
  return { message, headers: kept(context, names) };
}

function kept(context: BusContext, names: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = context.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
