import { randomUUID } from 'node:crypto';
import { type Message, type MessageClass } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type ReplyVerification, signedReplyText } from './signed-replies.js';
import { type Broker, type ConsumedRecord, type ReplyAddress } from '../broker.js';
import { brokerUnavailable } from './bus-errors.js';
import { decode } from '../envelope/decode.js';
import { HEADERS, NO_REQUESTER, type Outgoing, requesterOfMessage, toRecord } from '../envelope/envelope.js';
import { RequestGates } from './request-gates.js';

interface PendingRequest {
  readonly request: Message;
  readonly replyClass: MessageClass;
  /** When it was asked, on the clock of `performance`. */
  readonly since: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (reply: Message) => void;
  readonly reject: (error: Error) => void;
}

/** What became of a question; for metrics. */
export type RequestEvent =
  /** `seconds`: from the question to its reply. */
  | { readonly kind: 'answered'; readonly seconds: number }
  | { readonly kind: 'timed_out' }
  /** A reply came when nobody waited for it any more, and was dropped. */
  | { readonly kind: 'late_reply' }
  /** A reply lacked the signature that it needs, or had a wrong one, and was dropped: the true one may still come. */
  | { readonly kind: 'unproven_reply' };

export interface BusClientOptions {
  readonly broker: Broker;
  /** Names the kind of process in its reply address, for people who look at the cluster. */
  readonly owner: string;
  /** Requests to one topic under way at a time. Default 64. */
  readonly maxInFlight?: number;
  /** Requests to one topic that wait until they may be sent, at most. Default 1024. */
  readonly maxWaiting?: number;
  readonly proof: ReplyVerification;
  readonly onFatal: (error: Error) => void;
  /** Told of every question's end; must not throw. */
  readonly observe?: (event: RequestEvent) => void;
}

/** Asks over the bus and gets the answer at an address of its own. */
export class BusClient {
  /** Replies that came when nobody waited for them any more. */
  lateReplies = 0;
  readonly #questions = new Map<string, PendingRequest>();
  readonly #gates: RequestGates;
  #address: ReplyAddress | undefined;
  #closed = false;

  private constructor(
    private readonly broker: Broker,
    private readonly proof: ReplyVerification,
    private readonly observe: (event: RequestEvent) => void,
    gates: RequestGates,
  ) {
    this.#gates = gates;
  }

  /**
   * Ready when it returns: a record has gone to the reply address and come back.
   * @throws ServiceError BROKER_UNAVAILABLE, retriable
   */
  static async open(options: BusClientOptions): Promise<BusClient> {
    const {
      broker,
      owner,
      proof,
      onFatal,
      observe,
      maxInFlight: mostUnderWay = 64,
      maxWaiting: mostWaiting = 1024,
    } = options;
    const gates = new RequestGates({ maxInFlight: mostUnderWay, maxWaiting: mostWaiting });
    const client = new BusClient(broker, proof, observe ?? (() => undefined), gates);
    client.#address = await broker.openReplyAddress(owner, (record) => client.#receive(record), onFatal);
    return client;
  }

  /** Requests that wait for an answer, those that could not be sent yet included. */
  get waiting(): number {
    return this.#questions.size + this.#gates.waiting;
  }

  /**
   * Publishes the request when it is its turn, and awaits the answer: tenants take turns at what is sent to one topic. The
   * request carries the deadline: work whose asker is gone is not begun.
   * @param timeoutMs how long to wait, in milliseconds from now
   * @throws ServiceError REQUEST_TIMED_OUT (retriable; the work may have been done), REQUEST_GAVE_WAY (retriable; too many
   * requests of its tenant waited, and nothing was sent), BROKER_UNAVAILABLE (retriable),
   * MESSAGE_UNREADABLE when the answer is none of `replyClass`
   */
  request<T extends Message>(
    request: Message,
    replyClass: MessageClass<T>,
    timeoutMs: number,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const { topic } = request.constructor as MessageClass;
    const requester = requesterOfMessage(request) ?? NO_REQUESTER;
    return this.#gates.run(topic, requester, timeoutMs, (restMs) => this.#ask(request, replyClass, restMs, headers));
  }

  #ask<T extends Message>(
    request: Message,
    replyClass: MessageClass<T>,
    timeoutMs: number,
    headers: Readonly<Record<string, string>>,
  ): Promise<T> {
    const address = this.#address;
    if (address === undefined || this.#closed) return Promise.reject(brokerUnavailable('carry a question after close'));
    const correlationId = randomUUID();
    const record = toRecord({
      message: request,
      headers: {
        ...headers,
        [HEADERS.replyTo]: address.topic,
        [HEADERS.correlationId]: correlationId,
        [HEADERS.deadline]: String(this.broker.now() + timeoutMs),
      },
    });
    const answer = new Promise<Message>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#questions.delete(correlationId);
        this.observe({ kind: 'timed_out' });
        reject(new ServiceError('REQUEST_TIMED_OUT', `no ${replyClass.type} came within ${timeoutMs} ms`, true));
      }, timeoutMs);
      this.#questions.set(correlationId, { request, replyClass, since: performance.now(), timer, resolve, reject });
    });
    this.broker.send([record]).catch((error: unknown) => {
      this.#forget(correlationId)?.reject(
        error instanceof ServiceError ? error : brokerUnavailable('take the question', error),
      );
    });
    // Only a message of replyClass passes #receive.
    return answer as Promise<T>;
  }

  /** Publishes without waiting for an answer; resolves when the messages are safe. */
  async publish(outgoing: readonly Outgoing[]): Promise<void> {
    await this.broker.send(outgoing.map(toRecord));
  }

  /** Gives up the questions that wait, and removes the address. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const id of [...this.#questions.keys()]) {
      this.#forget(id)?.reject(brokerUnavailable('bring the answer before this client was closed'));
    }
    await this.#address?.close();
  }

  #receive(record: ConsumedRecord): void {
    const correlationId = record.headers[HEADERS.correlationId] ?? '';
    const question = this.#questions.get(correlationId);
    if (question === undefined) {
      this.lateReplies++;
      this.observe({ kind: 'late_reply' });
      return;
    }
    const answer = answerOf(record, question);
    if (!this.#isProven(record, question, answer)) {
      this.observe({ kind: 'unproven_reply' });
      return;
    }
    this.#forget(correlationId);
    this.observe({ kind: 'answered', seconds: (performance.now() - question.since) / 1000 });
    if (answer instanceof Error) question.reject(answer);
    else question.resolve(answer);
  }

  /** What cannot be read is believed like an answer that may come unsigned only where no answer needs a signature. */
  #isProven(record: ConsumedRecord, { request, replyClass }: PendingRequest, answer: Message | Error): boolean {
    if (!this.proof.isRequired(request, answer instanceof Error ? new replyClass() : answer)) return true;
    const signature = record.headers[HEADERS.signature];
    return signature !== undefined && this.proof.isValid(signedReplyText(request, record.topic, record), signature);
  }

  #forget(correlationId: string): PendingRequest | undefined {
    const question = this.#questions.get(correlationId);
    if (question === undefined) return undefined;
    this.#questions.delete(correlationId);
    clearTimeout(question.timer);
    return question;
  }
}

function answerOf(record: ConsumedRecord, { replyClass }: PendingRequest): Message | Error {
  try {
    return decode(record, new Map([[replyClass.type, replyClass]]));
  } catch (error) {
    return error instanceof Error ? error : new Error('the reader threw no error');
  }
}
