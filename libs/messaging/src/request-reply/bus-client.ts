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
  readonly isProof: ProofCheck | undefined;
  /** When it was sent, on the clock of `performance`. */
  readonly since: number;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (reply: Message) => void;
  readonly reject: (error: Error) => void;
}

/** Whether the proof of a reply, over its `signedReplyText`, is one that only the receiver of this request can make. */
export type ProofCheck = (text: string, proof: string) => boolean;

/** The result of a request, for metrics. */
export type RequestEvent =
  /** `seconds`: from the request to its reply. */
  | { readonly kind: 'answered'; readonly seconds: number }
  | { readonly kind: 'timed_out' }
  /** A reply came when no request waited for it, and was dropped. */
  | { readonly kind: 'late_reply' }
  /** A reply without a valid proof where one is required was dropped; the true reply may still come. */
  | { readonly kind: 'unproven_reply' };

export interface BusClientOptions {
  readonly broker: Broker;
  /** Names the kind of process in its reply address, for people who look at the cluster. */
  readonly owner: string;
  /** Requests to one topic in flight at a time. Default 64. */
  readonly maxInFlight?: number;
  /** Requests to one topic that wait to be sent, at most. Default 1024. */
  readonly maxWaiting?: number;
  readonly proof: ReplyVerification;
  readonly onFatal: (error: Error) => void;
  /** Called with the result of every request; must not throw. */
  readonly observe?: (event: RequestEvent) => void;
}

/** Sends requests over the bus and receives the replies at an address of its own. */
export class BusClient {
  /** Replies that came when no request waited for them. */
  lateReplies = 0;
  readonly #pending = new Map<string, PendingRequest>();
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
   * Works when this returns: a record sent to the reply address has been received.
   * @throws ServiceError BROKER_UNAVAILABLE, retriable
   */
  static async open(options: BusClientOptions): Promise<BusClient> {
    const { broker, owner, proof, onFatal, observe, maxInFlight = 64, maxWaiting = 1024 } = options;
    const gates = new RequestGates({ maxInFlight, maxWaiting });
    const client = new BusClient(broker, proof, observe ?? (() => undefined), gates);
    client.#address = await broker.openReplyAddress(owner, (record) => client.#onReply(record), onFatal);
    return client;
  }

  /** Requests without a reply, including those not sent yet. */
  get waiting(): number {
    return this.#pending.size + this.#gates.waiting;
  }

  /**
   * Sends the request when its tenant has a free slot for the topic, and waits for the reply. The request carries a
   * deadline, after which the service does not begin it.
   * @param timeoutMs how long to wait, in milliseconds from now
   * @param isProof accepts a reply in place of a signature
   * @throws ServiceError REQUEST_TIMED_OUT (retriable; the work may have been done), REQUEST_GAVE_WAY (retriable; too
   * many requests of its tenant waited, and nothing was sent), BROKER_UNAVAILABLE (retriable), MESSAGE_UNREADABLE when
   * the reply is not a `replyClass`
   */
  request<T extends Message>(
    request: Message,
    replyClass: MessageClass<T>,
    timeoutMs: number,
    isProof?: ProofCheck,
  ): Promise<T> {
    const { topic } = request.constructor as MessageClass;
    const requester = requesterOfMessage(request) ?? NO_REQUESTER;
    return this.#gates.run(topic, requester, timeoutMs, (restMs) => this.#send(request, replyClass, restMs, isProof));
  }

  #send<T extends Message>(
    request: Message,
    replyClass: MessageClass<T>,
    timeoutMs: number,
    isProof: ProofCheck | undefined,
  ): Promise<T> {
    const address = this.#address;
    if (address === undefined || this.#closed) return Promise.reject(brokerUnavailable('carry a request after close'));
    const correlationId = randomUUID();
    const record = toRecord({
      message: request,
      headers: {
        [HEADERS.replyTo]: address.topic,
        [HEADERS.correlationId]: correlationId,
        [HEADERS.deadline]: String(this.broker.now() + timeoutMs),
      },
    });
    const reply = new Promise<Message>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(correlationId);
        this.observe({ kind: 'timed_out' });
        reject(new ServiceError('REQUEST_TIMED_OUT', `no ${replyClass.type} came within ${timeoutMs} ms`, true));
      }, timeoutMs);
      const since = performance.now();
      this.#pending.set(correlationId, { request, replyClass, isProof, since, timer, resolve, reject });
    });
    this.broker.send([record]).catch((error: unknown) => {
      this.#removePending(correlationId)?.reject(
        error instanceof ServiceError ? error : brokerUnavailable('take the request', error),
      );
    });
    // onReply resolves only with a message of replyClass.
    return reply as Promise<T>;
  }

  /** Publishes without waiting for a reply; resolves when the messages are durable. */
  async publish(outgoing: readonly Outgoing[]): Promise<void> {
    await this.broker.send(outgoing.map(toRecord));
  }

  /** Rejects the waiting requests, and deletes the reply address. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const id of [...this.#pending.keys()]) {
      this.#removePending(id)?.reject(brokerUnavailable('deliver the reply before this client was closed'));
    }
    await this.#address?.close();
  }

  #onReply(record: ConsumedRecord): void {
    const correlationId = record.headers[HEADERS.correlationId] ?? '';
    const pending = this.#pending.get(correlationId);
    if (pending === undefined) {
      this.lateReplies++;
      this.observe({ kind: 'late_reply' });
      return;
    }
    const reply = decodeReply(record, pending);
    if (!this.#isProven(record, pending, reply)) {
      this.observe({ kind: 'unproven_reply' });
      return;
    }
    this.#removePending(correlationId);
    this.observe({ kind: 'answered', seconds: (performance.now() - pending.since) / 1000 });
    if (reply instanceof Error) pending.reject(reply);
    else pending.resolve(reply);
  }

  /** An unreadable reply needs a proof, unless no reply to the request needs one. */
  #isProven(record: ConsumedRecord, { request, replyClass, isProof }: PendingRequest, reply: Message | Error): boolean {
    if (!this.proof.isRequired(request, reply instanceof Error ? new replyClass() : reply)) return true;
    const proof = record.headers[HEADERS.signature];
    if (proof === undefined) return false;
    const text = signedReplyText(request, record.topic, record);
    return isProof?.(text, proof) === true || this.proof.isValid(text, proof);
  }

  #removePending(correlationId: string): PendingRequest | undefined {
    const pending = this.#pending.get(correlationId);
    if (pending === undefined) return undefined;
    this.#pending.delete(correlationId);
    clearTimeout(pending.timer);
    return pending;
  }
}

function decodeReply(record: ConsumedRecord, { replyClass }: PendingRequest): Message | Error {
  try {
    return decode(record, new Map([[replyClass.type, replyClass]]));
  } catch (error) {
    return error instanceof Error ? error : new Error('the decoder threw a value that is not an Error');
  }
}
