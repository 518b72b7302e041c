import { DEAD_LETTERS, type Message, type MessageClass } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type LoggerService } from '@nestjs/common';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { LRUCache } from 'lru-cache';
import { isObservable, lastValueFrom } from 'rxjs';
import { withSignature } from './signed-replies.js';
import {
  type Broker,
  type BusRecord,
  type PoisonHandling,
  type ConsumedRecord,
  type ConsumerStats,
  type Subscription,
} from '../broker.js';
import { createDeadLetter } from '../dead-letters/create-dead-letter.js';
import { type Deliveries } from '../consumption/deliveries.js';
import { decode } from '../envelope/decode.js';
import {
  type BusContext,
  contextOf,
  HEADERS,
  isExpired,
  type Outgoing,
  type SignReply,
  toRecord,
} from '../envelope/envelope.js';

export interface BusServerOptions {
  readonly broker: Broker;
  /** Consumer group: the name of the service. */
  readonly group: string;
  /** The messages that this service handles; each has one `@MessagePattern(X.type)`. */
  readonly messages: readonly MessageClass[];
  readonly logger?: Pick<LoggerService, 'warn' | 'error'>;
  readonly maxInFlight?: number;
  /** See `ConsumeOptions.gatherMs`. */
  readonly gatherMs?: number;
  /** Messages with handlers that wait for a scarce resource, such as argon2 hashing; see `ConsumeOptions.isSlow`. */
  readonly slow?: readonly MessageClass[];
  /** Finds records that crash the process; see {@link Deliveries}. */
  readonly deliveries?: Deliveries;
  readonly onFatal: (error: Error) => void;
  /** Signs every reply without a proof of its own. Absent: they are not signed. */
  readonly sign?: SignReply;
  /** Called with the outcome of every attempt to handle a record; must not throw. */
  readonly observe?: (outcome: RecordOutcome) => void;
}

/** The outcome of one attempt to handle a record, for metrics and traces. */
export interface RecordOutcome {
  readonly group: string;
  readonly topic: string;
  readonly outcome: 'handled' | 'expired' | 'retried' | 'dead_lettered';
  /** Code of the error, if any; INTERNAL for a bug. */
  readonly code?: string;
}

/** What a handler returns. */
export type HandlerResult = Outgoing | readonly (Outgoing | undefined)[] | undefined | void;

type Handler = MessageHandler<Message, BusContext, HandlerResult>;

/** How often a handler may throw an error other than ServiceError for the same record. */
const BUG_ATTEMPTS = 5;
/** Records with a count of bugs, at most. */
const MAX_COUNTED = 10_000;

/**
 * Delivers messages from the bus to the handlers of a Nest application, and sends what they return. A record is
 * finished only when the messages that follow from it are durable. README.md lists the effect of each failure.
 */
export class BusServer extends Server implements CustomTransportStrategy {
  /** Outcomes since the start, for metrics. */
  readonly counts = { handled: 0, expired: 0, deadLettered: 0, retried: 0 };
  readonly #options: BusServerOptions;
  readonly #classes: ReadonlyMap<string, MessageClass>;
  readonly #handlers = new Map<string, Handler>();
  readonly #bugCounts = new LRUCache<string, number>({ max: MAX_COUNTED });
  #subscription: Subscription | undefined;

  constructor(options: BusServerOptions) {
    super();
    this.#options = options;
    this.#classes = new Map(options.messages.map((type) => [type.type, type]));
  }

  /** Calls back when the group is joined, or with the error that prevented it. */
  override listen(callback: (error?: unknown) => void): void {
    this.#start().then(() => callback(), callback);
  }

  /** The stats of the consumer; undefined before it listens. */
  stats(): ConsumerStats | undefined {
    return this.#subscription?.stats();
  }

  override async close(): Promise<void> {
    await this.#subscription?.close();
  }

  /** The transport has no events: permanent failures go to `onFatal`. */
  override on(): void {}

  override unwrap<T>(): T {
    return this.#options.broker as T;
  }

  async #start(): Promise<void> {
    const { broker, group, maxInFlight, gatherMs, deliveries, onFatal } = this.#options;
    for (const [pattern, handler] of this.messageHandlers) {
      if (!this.#classes.has(pattern)) throw misconfigured(`${pattern} has a handler but is not in messages`);
      this.#handlers.set(pattern, handler as Handler);
    }
    for (const type of this.#classes.keys()) {
      if (!this.#handlers.has(type)) throw misconfigured(`${type} has no handler: add @MessagePattern('${type}')`);
    }
    const topics = [...new Set([...this.#classes.values()].map((type) => type.topic))];
    await broker.ensureTopics([DEAD_LETTERS]);
    const poisonHandling: PoisonHandling | undefined = deliveries && {
      deliveries,
      onPoison: (record) =>
        this.#deadLetter(record, new ServiceError('POISON', 'it has ended the process three times', false)),
      onWaiting: (error) => {
        this.#options.logger?.warn(`${describeError(error)}; new partitions of group ${group} wait`);
      },
    };
    const slow = new Set(this.#options.slow?.map(({ type }) => type));
    const isSlow = ({ headers }: ConsumedRecord): boolean => slow.has(headers[HEADERS.type] ?? '');
    this.#subscription = await broker.consume(
      {
        group,
        topics,
        onFatal,
        isSlow,
        ...(maxInFlight === undefined ? {} : { maxInFlight }),
        ...(gatherMs === undefined ? {} : { gatherMs }),
        ...(poisonHandling && { poisonHandling }),
      },
      (record) => this.#process(record),
    );
    await this.#subscription.ready;
  }

  /** Rejects when the record must be retried. */
  async #process(record: ConsumedRecord): Promise<void> {
    try {
      await this.#handle(record);
    } catch (error) {
      await this.#onFailure(record, error);
    }
    if (this.#bugCounts.size > 0) this.#bugCounts.delete(idOf(record));
  }

  async #handle(record: ConsumedRecord): Promise<void> {
    const message = decode(record, this.#classes);
    // Write rights are granted by topic: a sender must not deliver a message through a topic it does not belong to.
    if ((message.constructor as MessageClass).topic !== record.topic) throw misplaced();
    const handler = this.#handlers.get(record.headers[HEADERS.type] ?? '');
    if (handler === undefined) throw misconfigured('a message has no handler');
    const context = contextOf(record, this.#options.broker.now());
    if (isExpired(context) && handler.extras?.['handlesExpired'] !== true) {
      this.counts.expired++;
      this.#report(record, 'expired');
      return;
    }
    const returned: unknown = await handler(message, context);
    // Nest returns a stream when there are interceptors.
    const result = (
      isObservable(returned) ? await lastValueFrom(returned, { defaultValue: undefined }) : returned
    ) as HandlerResult | null;
    const outgoing = (
      Array.isArray(result) ? (result as (Outgoing | undefined)[]) : [result as Outgoing | null]
    ).filter((one) => one !== undefined && one !== null);
    const records = outgoing.map((one) => this.#toRecord(message, context, one));
    if (records.length > 0) await this.#options.broker.send(records);
    this.counts.handled++;
    this.#report(record, 'handled');
  }

  #toRecord(request: Message, { replyTo }: BusContext, outgoing: Outgoing): BusRecord {
    const record = toRecord(outgoing);
    const sign = ('sign' in outgoing ? outgoing.sign : undefined) ?? this.#options.sign;
    return sign === undefined || record.topic !== replyTo ? record : withSignature(request, record, sign);
  }

  async #onFailure(record: ConsumedRecord, error: unknown): Promise<void> {
    const location = `${record.topic}/${record.partition} at ${record.offset}`;
    if (error instanceof ServiceError ? error.retriable : !this.#hasExhaustedBugAttempts(record)) {
      this.counts.retried++;
      this.#report(record, 'retried', error);
      this.#options.logger?.warn(
        `${describeError(error)} while handling ${location}; it is retried${stackFrames(error)}`,
      );
      throw error;
    }
    await this.#deadLetter(record, error);
  }

  /** Resolves only when the dead letter is durable. */
  async #deadLetter(record: ConsumedRecord, error: unknown): Promise<void> {
    const location = `${record.topic}/${record.partition} at ${record.offset}`;
    // A dead letter about a dead letter could loop forever; the record stays in its topic.
    if (record.topic === DEAD_LETTERS.name) {
      this.#report(record, 'dead_lettered', error);
      this.#options.logger?.error(`${describeError(error)} while handling the dead letter ${location}; it is skipped`);
      return;
    }
    await this.#options.broker.send([createDeadLetter(record, this.#options.group, error, this.#options.broker.now())]);
    this.counts.deadLettered++;
    this.#report(record, 'dead_lettered', error);
    this.#options.logger?.error(
      `${describeError(error)} while handling ${location}; wrote a dead letter${stackFrames(error)}`,
    );
  }

  #report({ topic }: ConsumedRecord, outcome: RecordOutcome['outcome'], error?: unknown): void {
    const code = error instanceof ServiceError ? error.code : 'INTERNAL';
    this.#options.observe?.({ group: this.#options.group, topic, outcome, ...(error === undefined ? {} : { code }) });
  }

  #hasExhaustedBugAttempts(record: ConsumedRecord): boolean {
    const id = idOf(record);
    const attempts = (this.#bugCounts.get(id) ?? 0) + 1;
    this.#bugCounts.set(id, attempts);
    return attempts > BUG_ATTEMPTS;
  }
}

const idOf = (record: ConsumedRecord): string => `${record.topic}/${record.partition}/${record.offset}`;

const misconfigured = (what: string): ServiceError => new ServiceError('INTERNAL', what, false);

const misplaced = (): ServiceError =>
  new ServiceError('MESSAGE_UNREADABLE', 'a record was not readable: its type belongs on another topic', false);

/** The message of a ServiceError is made for logs; the message of another error may quote the data. */
function describeError(error: unknown): string {
  if (error instanceof ServiceError) return `${error.code} (${error.message})`;
  return error instanceof Error ? error.name : 'a value that is not an Error';
}

/** The stack of a bug without its message. */
function stackFrames(error: unknown): string {
  if (error instanceof ServiceError || !(error instanceof Error)) return '';
  const lines = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return lines.length === 0 ? '' : `\n${lines.slice(0, 8).join('\n')}`;
}
