import { DEAD_LETTERS, type Message, type MessageClass } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type LoggerService } from '@nestjs/common';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { type SignReply, withSignature } from './signed-replies.js';
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
import { type BusContext, contextOf, HEADERS, isExpired, type Outgoing, toRecord } from '../envelope/envelope.js';

export interface BusServerOptions {
  readonly broker: Broker;
  /** Consumer group: the name of the service. */
  readonly group: string;
  /** The messages that this service handles; each has one `@MessagePattern(X.type)`. */
  readonly messages: readonly MessageClass[];
  readonly logger?: Pick<LoggerService, 'warn' | 'error'>;
  readonly maxInFlight?: number;
  /** Messages whose handlers wait for scarce work, such as hashes; see `ConsumeOptions.isSlow`. */
  readonly slow?: readonly MessageClass[];
  /** Where records that end the process are found out; see {@link Deliveries}. */
  readonly deliveries?: Deliveries;
  readonly onFatal: (error: Error) => void;
  /** Signs every answer; without it answers are those of nobody in particular. */
  readonly sign?: SignReply;
  /** Told what became of every try at a record; must not throw. */
  readonly observe?: (outcome: RecordOutcome) => void;
}

/** What became of one try at a record; for metrics and traces. */
export interface RecordOutcome {
  readonly group: string;
  readonly topic: string;
  readonly outcome: 'handled' | 'expired' | 'retried' | 'dead_lettered';
  /** Code of the error, where there was one; INTERNAL for a bug. */
  readonly code?: string;
}

/** What a handler gives back. */
export type HandlerResult = Outgoing | readonly (Outgoing | undefined)[] | undefined | void;

type Handler = MessageHandler<Message, BusContext, HandlerResult>;

/** How often a handler may throw what is no ServiceError at the same record. */
const BUG_ATTEMPTS = 5;
/** Bound on the records whose bugs are counted. */
const MAX_COUNTED = 10_000;

/**
 * Carries messages from the bus to the handlers of a Nest application, and what they return back to the bus. A record is
 * finished only when the messages that follow from it are safe. See README.md for what happens with failures.
 */
export class BusServer extends Server implements CustomTransportStrategy {
  /** What became of the records since the start, for metrics. */
  readonly counts = { handled: 0, expired: 0, deadLettered: 0, retried: 0 };
  readonly #options: BusServerOptions;
  readonly #classes: ReadonlyMap<string, MessageClass>;
  readonly #handlers = new Map<string, Handler>();
  readonly #bugs = new Map<string, number>();
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

  /** What the consumer has on its hands; undefined before it listens. */
  stats(): ConsumerStats | undefined {
    return this.#subscription?.stats();
  }

  override async close(): Promise<void> {
    await this.#subscription?.close();
  }

  /** There are no events of the transport to listen to: what breaks for good goes to `onFatal`. */
  override on(): void {}

  override unwrap<T>(): T {
    return this.#options.broker as T;
  }

  async #start(): Promise<void> {
    const { broker, group, maxInFlight, deliveries, onFatal } = this.#options;
    for (const [pattern, handler] of this.messageHandlers) {
      if (!this.#classes.has(pattern)) throw misconfigured(`${pattern} has a handler but is not in messages`);
      this.#handlers.set(pattern, handler as Handler);
    }
    for (const type of this.#classes.keys()) {
      if (!this.#handlers.has(type)) throw misconfigured(`${type} has no handler: add @MessagePattern('${type}')`);
    }
    const topics = [...new Set([...this.#classes.values()].map((type) => type.topic))];
    await broker.ensureTopics([DEAD_LETTERS]);
    const care: PoisonHandling | undefined = deliveries && {
      deliveries,
      onPoison: (record) =>
        this.#bury(record, new ServiceError('POISON', 'it has ended the process three times', false)),
      onWaiting: (error) => {
        this.#options.logger?.warn(`${nameOf(error)}; new partitions of group ${group} wait`);
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
        ...(care && { poisonHandling: care }),
      },
      (record) => this.#take(record),
    );
    await this.#subscription.ready;
  }

  /** Rejects when the record is to be tried again. */
  async #take(record: ConsumedRecord): Promise<void> {
    try {
      await this.#handle(record);
    } catch (error) {
      await this.#fail(record, error);
    }
    if (this.#bugs.size > 0) this.#bugs.delete(idOf(record));
  }

  async #handle(record: ConsumedRecord): Promise<void> {
    const message = decode(record, this.#classes);
    // Rights are given by topic: who may write to one must not say there what only others may say.
    if ((message.constructor as MessageClass).topic !== record.topic) throw misplaced();
    const handler = this.#handlers.get(record.headers[HEADERS.type] ?? '');
    if (handler === undefined) throw misconfigured('a message came before its handler');
    const context = contextOf(record, this.#options.broker.now());
    if (isExpired(context) && handler.extras?.['handlesExpired'] !== true) {
      this.counts.expired++;
      this.#tell(record, 'expired');
      return;
    }
    const returned: unknown = await handler(message, context);
    // Interceptors make Nest return a stream.
    const result = (
      isObservable(returned) ? await lastValueFrom(returned, { defaultValue: undefined }) : returned
    ) as HandlerResult | null;
    const outgoing = (
      Array.isArray(result) ? (result as (Outgoing | undefined)[]) : [result as Outgoing | null]
    ).filter((one) => one !== undefined && one !== null);
    const records = outgoing.map(toRecord).map((one) => this.#signed(message, context, one));
    if (records.length > 0) await this.#options.broker.send(records);
    this.counts.handled++;
    this.#tell(record, 'handled');
  }

  #signed(question: Message, { replyTo }: BusContext, outgoing: BusRecord): BusRecord {
    const { sign } = this.#options;
    return sign === undefined || outgoing.topic !== replyTo ? outgoing : withSignature(question, outgoing, sign);
  }

  async #fail(record: ConsumedRecord, error: unknown): Promise<void> {
    const where = `${record.topic}/${record.partition} at ${record.offset}`;
    if (error instanceof ServiceError ? error.retriable : !this.#isPoison(record)) {
      this.counts.retried++;
      this.#tell(record, 'retried', error);
      this.#options.logger?.warn(`${nameOf(error)} while handling ${where}; it is tried again${frames(error)}`);
      throw error;
    }
    await this.#bury(record, error);
  }

  /** The record is finished when its dead letter is safe, and not before. */
  async #bury(record: ConsumedRecord, error: unknown): Promise<void> {
    const where = `${record.topic}/${record.partition} at ${record.offset}`;
    // A letter about a letter could go on for ever; the letter itself stays where it is.
    if (record.topic === DEAD_LETTERS.name) {
      this.#tell(record, 'dead_lettered', error);
      this.#options.logger?.error(`${nameOf(error)} while handling the dead letter ${where}; it is passed over`);
      return;
    }
    await this.#options.broker.send([createDeadLetter(record, this.#options.group, error, this.#options.broker.now())]);
    this.counts.deadLettered++;
    this.#tell(record, 'dead_lettered', error);
    this.#options.logger?.error(`${nameOf(error)} while handling ${where}; it is a dead letter now${frames(error)}`);
  }

  #tell({ topic }: ConsumedRecord, outcome: RecordOutcome['outcome'], error?: unknown): void {
    const code = error instanceof ServiceError ? error.code : 'INTERNAL';
    this.#options.observe?.({ group: this.#options.group, topic, outcome, ...(error === undefined ? {} : { code }) });
  }

  #isPoison(record: ConsumedRecord): boolean {
    const id = idOf(record);
    const attempts = (this.#bugs.get(id) ?? 0) + 1;
    if (this.#bugs.size >= MAX_COUNTED) this.#bugs.clear();
    this.#bugs.set(id, attempts);
    return attempts > BUG_ATTEMPTS;
  }
}

const idOf = (record: ConsumedRecord): string => `${record.topic}/${record.partition}/${record.offset}`;

const misconfigured = (what: string): ServiceError => new ServiceError('INTERNAL', what, false);

const misplaced = (): ServiceError =>
  new ServiceError('MESSAGE_UNREADABLE', 'a record was not readable: its type belongs on another topic', false);

/** The message of a ServiceError is made for logs; that of any other error may quote what it choked on. */
function nameOf(error: unknown): string {
  if (error instanceof ServiceError) return `${error.code} (${error.message})`;
  return error instanceof Error ? error.name : 'something that is no error';
}

/** Where a bug was thrown: the stack without the message. */
function frames(error: unknown): string {
  if (error instanceof ServiceError || !(error instanceof Error)) return '';
  const lines = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return lines.length === 0 ? '' : `\n${lines.slice(0, 8).join('\n')}`;
}
