import { inFairOrder } from '@countersign/fairness';
import { ServiceError } from '@countersign/runtime';
import { type Message, type Producer } from 'kafkajs';
import { backoffMs } from '../../consumption/backoff.js';
import { type BusRecord } from '../../broker.js';
import { brokerUnavailable, unknownTopic } from '../../request-reply/bus-errors.js';
import { requesterOf } from '../../envelope/envelope.js';
import { type BrokerClock } from '../broker-clock.js';
import { type BrokerHealth } from '../health.js';
import { kafkaErrorType, UNKNOWN_TOPIC } from '../kafka-client.js';

/** A call gives up when it is this old and has just failed again, in milliseconds. */
const SEND_LIMIT_MS = 8_000;
/** kafkajs groups a batch by partition in quadratic time. */
const MAX_BATCH = 400;
/** So many records are worth a request of their own: each costs the broker, its reader and this process. */
const FULL_BATCH = 12;
/** A pause of this long, in milliseconds, ends the gathering of a batch. */
const QUIET_MS = 15;
/**
 * So many batches are sent without waiting, at most, after waiting brought nothing several times in a row: fewer than one in
 * a thousand of the questions of somebody who asks one after the other waits in vain.
 */
const MAX_SKIPS = 1023;
/** Batches under way, at most; each is of other tenants. With more of them every batch would be small. */
const MAX_WRITES = 3;
/** Bound on the reply addresses that are remembered as gone. */
const MAX_GONE = 1_000;

interface Call {
  records: readonly BusRecord[];
  /** Empty: on behalf of nobody. */
  readonly tenant: string;
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface BatchSenderOptions {
  readonly producer: () => Producer;
  readonly health: BrokerHealth;
  /** Learns from every send. */
  readonly clock: BrokerClock;
  /** Longest time, in milliseconds, that a record waits for others. 0: none. */
  readonly lingerMs: number;
  /** The name of a topic in the cluster. */
  readonly nameOf: (topic: string) => string;
  /** Names of all topics in the cluster. */
  readonly existing: () => Promise<ReadonlySet<string>>;
  /** Topics that come and go: what is sent to one that is gone has no reader, and is dropped. */
  readonly mayBeGone: (topic: string) => boolean;
}

/**
 * Writes records, those of a tenant in the order of the calls. A tenant has one batch under way at a time, and what is asked
 * meanwhile goes together as its next one: one send per record costs two thirds of the throughput. A tenant without a batch
 * under way does not wait for the batch of another one, neither until it is full nor until it is written. When more waits
 * than a batch takes, tenants take turns.
 */
export class BatchSender {
  readonly #options: BatchSenderOptions;
  #producer: Promise<Producer> | undefined;
  #waiting: Call[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  /** Tenants with a batch under way, until it was written or put back. */
  readonly #underWay = new Set<string>();
  #batches = 0;
  readonly #writes = new Set<Promise<unknown>>();
  /** Failures in a row, of all batches. */
  #failures = 0;
  /** Goes on with what waits. */
  #wake: (() => void) | undefined;
  #lastWrite = 0;
  /** Records of the last write and the time before it: how much is likely to come. */
  #perMs = 0;
  /** How many batches are to be sent without waiting, and how many it was the last time. */
  #skips = 0;
  #fruitless = 0;
  /** Ends the linger early. */
  #hurry: (() => void) | undefined;
  readonly #gone = new Set<string>();
  /** Tenants with records in the last batch. */
  #lastTenants: ReadonlySet<string> = new Set();
  /** A call of a tenant without records in the last batch waits: the next batch goes at once. */
  #hasNewcomer = false;
  /** When a batch last went at once for a newcomer, on the clock of `performance`. */
  #newcomerAt = -Infinity;

  constructor(options: BatchSenderOptions) {
    this.#options = options;
  }

  /** Resolves when all in-sync replicas have the records. */
  send(records: readonly BusRecord[]): Promise<void> {
    if (this.#closed) return Promise.reject(brokerUnavailable('send after the broker was closed'));
    const tenant = records[0] === undefined ? '' : requesterOf(records[0]).tenant;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, tenant, since: Date.now(), resolve, reject });
      this.#noteNewcomer(tenant);
      // Not at once: what else this turn of the event loop wants to send travels along.
      this.#running ??= new Promise<void>((done) => setImmediate(done)).then(() => this.#run());
      if (this.#waiting.length >= FULL_BATCH || this.#hasNewcomer) this.#hurry?.();
      this.#wake?.();
    });
  }

  /** At most once in the time of a linger, so that many quiet tenants together still fill their batches. */
  #noteNewcomer(tenant: string): void {
    if (tenant === '' || this.#hasNewcomer || this.#lastTenants.has(tenant)) return;
    const now = performance.now();
    if (now - this.#newcomerAt < this.#options.lingerMs) return;
    this.#newcomerAt = now;
    this.#hasNewcomer = true;
  }

  /** Finishes what was asked for, then disconnects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#hurry?.();
    await this.#running;
    await this.#reset();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 || this.#batches > 0) {
      if (!this.#mayBegin()) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
        continue;
      }
      await this.#linger();
      const calls = this.#takeBatch();
      const tenants = new Set(calls.map(({ tenant }) => tenant));
      this.#batches++;
      for (const tenant of tenants) this.#underWay.add(tenant);
      void this.#deliver(calls).finally(() => {
        this.#batches--;
        for (const tenant of tenants) this.#underWay.delete(tenant);
        this.#wake?.();
      });
    }
    this.#running = undefined;
  }

  #mayBegin(): boolean {
    return this.#batches < MAX_WRITES && this.#waiting.some(({ tenant }) => !this.#underWay.has(tenant));
  }

  /** Writes a batch, or puts it back in front of all others after a pause. Never rejects. */
  async #deliver(calls: readonly Call[]): Promise<void> {
    try {
      await this.#write(calls);
      this.#failures = 0;
      this.#options.health.succeeded();
      for (const call of calls) call.resolve();
    } catch (error) {
      this.#failures++;
      this.#waiting.unshift(...calls);
      if (kafkaErrorType(error) === UNKNOWN_TOPIC && (await this.#sortOut(error))) return;
      this.#options.health.failed();
      this.#giveUpOld(error);
      // A failover takes a second or two: ask again often enough not to add to it.
      await new Promise((resolve) => setTimeout(resolve, Math.min(500, backoffMs(this.#failures))));
    }
  }

  /**
   * Lets a batch gather: until it is full, until nothing more has come for a while, and `lingerMs` at most. Where not even
   * a second record is to be expected, as in every quiet hour, there is no wait; and where waiting brought nothing, as
   * for somebody who asks one thing after the other, it is not tried again soon.
   */
  async #linger(): Promise<void> {
    const { lingerMs } = this.#options;
    const before = this.#waiting.length;
    const began = performance.now();
    const mayWait = before < FULL_BATCH && !this.#hasNewcomer && !this.#closed;
    if (mayWait && this.#perMs * lingerMs >= 1 && --this.#skips < 0) {
      const end = began + lingerMs;
      for (let had = 0; had < this.#waiting.length && this.#waiting.length < FULL_BATCH && !this.#closed;) {
        had = this.#waiting.length;
        const rest = Math.min(QUIET_MS, end - performance.now());
        if (rest <= 0) break;
        await this.#pause(rest);
        if (this.#hasNewcomer) break;
      }
      const fruitless = this.#waiting.length === before;
      this.#fruitless = fruitless ? Math.min(MAX_SKIPS, this.#fruitless * 2 + 1) : 0;
      this.#skips = this.#fruitless;
    }
    const now = performance.now();
    this.#perMs = this.#waiting.length / Math.max(1, now - this.#lastWrite);
    this.#lastWrite = now;
  }

  /** Ends early when the batch is full, and when the sender is closed. */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  /** Of tenants without a batch under way. */
  #takeBatch(): Call[] {
    this.#hasNewcomer = false;
    let calls = this.#waiting.filter(({ tenant }) => !this.#underWay.has(tenant));
    if (calls.length > 1 && calls.reduce((sum, { records }) => sum + records.length, 0) > MAX_BATCH) {
      // By tenant alone: records of one key keep their order, and a key belongs to one tenant.
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
    this.#lastTenants = new Set([...batch].map(({ tenant }) => tenant));
    return [...batch];
  }

  async #write(calls: readonly Call[]): Promise<void> {
    const byTopic = new Map<string, Message[]>();
    for (const call of calls) {
      for (const { topic, key, value, headers } of call.records) {
        if (this.#gone.has(topic)) continue;
        const messages = byTopic.get(topic);
        if (messages === undefined) byTopic.set(topic, [{ key, value, headers }]);
        else messages.push({ key, value, headers });
      }
    }
    if (byTopic.size === 0) return;
    const topicMessages = Array.from(byTopic, ([topic, messages]) => ({
      topic: this.#options.nameOf(topic),
      messages,
    }));
    const producer = await this.#connected();
    const told = this.#options.clock.measure();
    const writing = producer.sendBatch({ acks: -1, timeout: 5_000, topicMessages });
    this.#writes.add(writing);
    const written = await writing.finally(() => this.#writes.delete(writing));
    // -1: the topic keeps the time of whoever sends.
    const stamped = Number(written.find(({ logAppendTime }) => Number(logAppendTime) > 0)?.logAppendTime ?? -1);
    if (stamped > 0) told(stamped);
  }

  /**
   * A topic is missing. kafkajs would ask for it with every refresh of its metadata from now on, and fail each time, so
   * it gets a new producer; the calls that name the topic are settled, the others go again.
   * @returns true when something was settled and the rest can go at once
   */
  async #sortOut(cause: unknown): Promise<boolean> {
    const existing = await this.#options.existing().catch(() => undefined);
    await this.#reset();
    if (existing === undefined) return false;
    const missing = (record: BusRecord): boolean => !existing.has(this.#options.nameOf(record.topic));
    let settled = false;
    this.#waiting = this.#waiting.filter((call) => {
      for (const record of call.records) {
        if (!missing(record) || this.#gone.has(record.topic)) continue;
        settled = true;
        if (!this.#options.mayBeGone(record.topic)) {
          call.reject(unknownTopic(record.topic, cause));
          return false;
        }
        if (this.#gone.size >= MAX_GONE) this.#gone.clear();
        this.#gone.add(record.topic);
      }
      return true;
    });
    return settled;
  }

  #giveUpOld(cause: unknown): void {
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
    // A producer that never connected, or lost its connection, has nothing to say good-bye to.
    await producer?.then((old) => old.disconnect()).catch(() => undefined);
  }
}
