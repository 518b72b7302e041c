import { inFairOrder } from '@countersign/fairness';
import { ServiceError } from '@countersign/runtime';
import { type Message, type Producer } from 'kafkajs';
import { LRUCache } from 'lru-cache';
import { backoffMs } from '../../consumption/backoff.js';
import { type BusRecord } from '../../broker.js';
import { brokerUnavailable, recordTooLarge, unknownTopic } from '../../request-reply/bus-errors.js';
import { requesterOf } from '../../envelope/envelope.js';
import { type BrokerClock } from '../broker-clock.js';
import { type BrokerHealth } from '../health.js';
import { isTooLarge, kafkaErrorType, UNKNOWN_TOPIC } from '../kafka-client.js';

/** A call is rejected when it is this old and has just failed again, in milliseconds. */
const SEND_LIMIT_MS = 8_000;
/** Records in a batch, at most: kafkajs groups a batch by partition in quadratic time. */
const MAX_BATCH = 400;
/** Batches in flight, at most; each has other tenants. With more of them every batch would be small. */
const MAX_BATCHES_IN_FLIGHT = 3;
/** Names of deleted reply topics in the cache. */
const MAX_MISSING_TOPICS = 1_000;

interface Call {
  records: readonly BusRecord[];
  /** Empty: no requester. */
  readonly tenant: string;
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface BatchSenderOptions {
  readonly producer: () => Producer;
  readonly health: BrokerHealth;
  /** Updated by every send. Gives records their time, which a topic with LogAppendTime replaces. */
  readonly clock: BrokerClock;
  /** The name of a topic in the cluster. */
  readonly clusterName: (topic: string) => string;
  /** Names of all topics in the cluster. */
  readonly listTopics: () => Promise<ReadonlySet<string>>;
  /** Topics that can be deleted at any time: records to a deleted one have no reader and are dropped. */
  readonly isEphemeral: (topic: string) => boolean;
}

/**
 * Writes records, keeping the order of the calls per tenant. Each tenant has one batch in flight at a time, and its
 * records that arrive during it form its next batch: one send per record costs two thirds of the throughput. A tenant
 * without a batch in flight does not wait for the batch of another tenant. A record never waits for records that may come:
 * under load the batch in flight is what others gather behind. When more records wait than a batch takes, the batch is filled in
 * fair order.
 */
export class BatchSender {
  readonly #options: BatchSenderOptions;
  #producer: Promise<Producer> | undefined;
  #waiting: Call[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  /** Tenants with a batch in flight, until it was written or put back. */
  readonly #busyTenants = new Set<string>();
  #batchesInFlight = 0;
  readonly #writes = new Set<Promise<unknown>>();
  /** Consecutive failures over all batches. */
  #failures = 0;
  /** Resumes the loop that sends waiting records. */
  #wake: (() => void) | undefined;
  readonly #missingTopics = new LRUCache<string, true>({ max: MAX_MISSING_TOPICS });

  constructor(options: BatchSenderOptions) {
    this.#options = options;
  }

  /** Resolves when all in-sync replicas have the records. */
  send(records: readonly BusRecord[]): Promise<void> {
    if (this.#closed) return Promise.reject(brokerUnavailable('send after the broker was closed'));
    const tenant = records[0] === undefined ? '' : requesterOf(records[0]).tenant;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, tenant, since: Date.now(), resolve, reject });
      // Deferred, so that other sends of this turn of the event loop join the batch.
      this.#running ??= new Promise<void>((done) => setImmediate(done)).then(() => this.#sendWaiting());
      this.#wake?.();
    });
  }

  /** Sends what waits, then disconnects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#reset();
  }

  async #sendWaiting(): Promise<void> {
    while (this.#waiting.length > 0 || this.#batchesInFlight > 0) {
      if (!this.#canBegin()) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
        continue;
      }
      const calls = this.#takeBatch();
      const tenants = new Set(calls.map(({ tenant }) => tenant));
      this.#batchesInFlight++;
      for (const tenant of tenants) this.#busyTenants.add(tenant);
      void this.#deliver(calls).finally(() => {
        this.#batchesInFlight--;
        for (const tenant of tenants) this.#busyTenants.delete(tenant);
        this.#wake?.();
      });
    }
    this.#running = undefined;
  }

  #canBegin(): boolean {
    return (
      this.#batchesInFlight < MAX_BATCHES_IN_FLIGHT &&
      this.#waiting.some(({ tenant }) => !this.#busyTenants.has(tenant))
    );
  }

  /** Writes a batch, or puts back what is not written in front of all others and pauses. Never rejects. */
  async #deliver(calls: readonly Call[]): Promise<void> {
    const unfinished = [...calls];
    try {
      try {
        await this.#write(calls.flatMap(({ records }) => records));
      } catch (error) {
        if (!isTooLarge(error)) throw error;
        await this.#writeOneByOne(unfinished);
      }
      this.#failures = 0;
      this.#options.health.succeeded();
      for (const call of unfinished) call.resolve();
    } catch (error) {
      this.#failures++;
      this.#waiting.unshift(...unfinished);
      if (kafkaErrorType(error) === UNKNOWN_TOPIC && (await this.#handleMissingTopics(error))) return;
      this.#options.health.failed();
      this.#rejectExpired(error);
      // A failover takes a second or two; short pauses avoid adding to it.
      await new Promise((resolve) => setTimeout(resolve, Math.min(500, backoffMs(this.#failures))));
    }
  }

  /**
   * Writes each record of a batch alone after the broker refused the batch as too large. Rejects a call with a record that is
   * too large by itself: no retry helps, and the calls behind it must not wait.
   * @param unfinished a call is removed when it is resolved or rejected
   */
  async #writeOneByOne(unfinished: Call[]): Promise<void> {
    for (let call = unfinished[0]; call !== undefined; call = unfinished[0]) {
      for (const record of call.records) {
        try {
          await this.#write([record]);
        } catch (error) {
          if (!isTooLarge(error)) throw error;
          call.reject(recordTooLarge(record.topic, error));
          break;
        }
      }
      // Has no effect on a call that was rejected.
      call.resolve();
      unfinished.shift();
    }
  }

  /** Takes calls of tenants without a batch in flight. */
  #takeBatch(): Call[] {
    let calls = this.#waiting.filter(({ tenant }) => !this.#busyTenants.has(tenant));
    if (calls.length > 1 && calls.reduce((sum, { records }) => sum + records.length, 0) > MAX_BATCH) {
      // By tenant only: records of one key keep their order, because a key belongs to one tenant.
      calls = inFairOrder(calls, ({ tenant }) => ({ tenant, agent: '', caller: '' }));
    }
    const batch = new Set<Call>();
    let size = 0;
    for (const call of calls) {
      if (batch.size > 0 && size + call.records.length > MAX_BATCH) break;
      size += call.records.length;
      batch.add(call);
    }
    this.#waiting = this.#waiting.filter((call) => !batch.has(call));
    return [...batch];
  }

  async #write(records: readonly BusRecord[]): Promise<void> {
    const byTopic = new Map<string, Message[]>();
    // Kafka refuses records of the future, which those of a process with a wrong clock would be.
    const timestamp = String(this.#options.clock.now());
    for (const { topic, key, value, headers } of records) {
      if (this.#missingTopics.has(topic)) continue;
      const messages = byTopic.get(topic);
      if (messages === undefined) byTopic.set(topic, [{ key, value, headers, timestamp }]);
      else messages.push({ key, value, headers, timestamp });
    }
    if (byTopic.size === 0) return;
    const topicMessages = Array.from(byTopic, ([topic, messages]) => ({
      topic: this.#options.clusterName(topic),
      messages,
    }));
    const producer = await this.#connected();
    const setBrokerTime = this.#options.clock.measure();
    const writing = producer.sendBatch({ acks: -1, timeout: 5_000, topicMessages });
    this.#writes.add(writing);
    const written = await writing.finally(() => this.#writes.delete(writing));
    // -1: the topic keeps the time of the producer.
    const brokerTimeMs = Number(written.find(({ logAppendTime }) => Number(logAppendTime) > 0)?.logAppendTime ?? -1);
    if (brokerTimeMs > 0) setBrokerTime(brokerTimeMs);
  }

  /**
   * Handles a missing topic. kafkajs would request it with every refresh of its metadata from now on and fail each
   * time, so a new producer is created. Calls to the missing topic are rejected, or their records dropped when it is
   * ephemeral; the others are sent again.
   * @returns true when calls or topics changed, so the rest can be sent at once
   */
  async #handleMissingTopics(cause: unknown): Promise<boolean> {
    const topics = await this.#options.listTopics().catch(() => undefined);
    await this.#reset();
    if (topics === undefined) return false;
    const isMissing = (record: BusRecord): boolean => !topics.has(this.#options.clusterName(record.topic));
    let isChanged = false;
    this.#waiting = this.#waiting.filter((call) => {
      for (const record of call.records) {
        if (!isMissing(record) || this.#missingTopics.has(record.topic)) continue;
        isChanged = true;
        if (!this.#options.isEphemeral(record.topic)) {
          call.reject(unknownTopic(record.topic, cause));
          return false;
        }
        this.#missingTopics.set(record.topic, true);
      }
      return true;
    });
    return isChanged;
  }

  #rejectExpired(cause: unknown): void {
    const oldest = Date.now() - SEND_LIMIT_MS;
    this.#waiting = this.#waiting.filter((call) => {
      if (call.since > oldest) return true;
      call.reject(cause instanceof ServiceError ? cause : brokerUnavailable('take the records in time', cause));
      return false;
    });
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#options.producer();
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      this.#producer = undefined;
      throw error;
    }
  }

  async #reset(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await Promise.allSettled(this.#writes);
    // A producer that never connected, or lost its connection, cannot disconnect.
    await producer?.then((old) => old.disconnect()).catch(() => undefined);
  }
}
