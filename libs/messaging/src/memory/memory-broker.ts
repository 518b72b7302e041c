import { randomUUID } from 'node:crypto';
import { hasOnePartition, type TopicSpec } from '@countersign/contracts';
import {
  type AcceptedLoss,
  Broker,
  type BusRecord,
  type ConsumedRecord,
  type ConsumeOptions,
  type Follower,
  type ReplyAddress,
  type Subscription,
} from '../broker.js';
import { brokerUnavailable, unknownTopic } from '../request-reply/bus-errors.js';
import { MemoryGroup, MemoryMember } from './memory-group.js';
import { MemoryTopic, waitsForGroups } from './memory-topic.js';
import { REPLY_TOPIC_PREFIX } from '../envelope/envelope.js';

export interface MemoryBrokerOptions {
  /** Partitions of topics of kinds `command` and `fact`. Default 6; those of kind `state` have 1. */
  readonly partitions?: number;
}

/**
 * The bus inside one process, with the semantics of Kafka: partitions by key, order per key, groups, redelivery. It
 * loses everything when the process ends, so a send of a fact resolves only when the fact was handled. A handler must
 * therefore not wait for a fact that it sends to itself.
 */
export class MemoryBroker extends Broker {
  readonly #partitions: number;
  readonly #topics = new Map<string, MemoryTopic>();
  readonly #groups = new Map<string, MemoryGroup>();
  readonly #addresses = new Map<string, (record: ConsumedRecord) => void>();
  readonly #members = new Set<MemoryMember>();
  /** Rejects sends of unhandled facts when the broker closes. */
  readonly #pending = new Set<(error: Error) => void>();
  #closed = false;

  constructor(options: MemoryBrokerOptions = {}) {
    super();
    this.#partitions = options.partitions ?? 6;
  }

  override ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    for (const spec of topics) {
      if (this.#topics.has(spec.name)) continue;
      this.#topics.set(spec.name, new MemoryTopic(spec, hasOnePartition(spec) ? 1 : this.#partitions));
    }
    return Promise.resolve();
  }

  override async send(records: readonly BusRecord[]): Promise<void> {
    if (this.#closed) throw brokerUnavailable('send after it was closed');
    const unknown = records.find(({ topic }) => !topic.startsWith(REPLY_TOPIC_PREFIX) && !this.#topics.has(topic));
    if (unknown !== undefined) throw unknownTopic(unknown.topic);
    const handled: Promise<void>[] = [];
    for (const record of records) {
      const topic = this.#topics.get(record.topic);
      if (topic === undefined) {
        this.#deliverReply(record);
        continue;
      }
      const finished = topic.append(record);
      if (waitsForGroups(topic.spec)) handled.push(finished);
    }
    if (handled.length > 0) await this.#unlessClosed(Promise.all(handled));
  }

  override consume(options: ConsumeOptions, handle: (record: ConsumedRecord) => Promise<void>): Promise<Subscription> {
    const topics: MemoryTopic[] = [];
    for (const name of options.topics) {
      const topic = this.#topics.get(name);
      if (topic === undefined) return Promise.reject(unknownTopic(name));
      topics.push(topic);
    }
    const group = this.#groups.get(options.group) ?? new MemoryGroup(options.group);
    this.#groups.set(options.group, group);
    const member = new MemoryMember(group, topics, options, handle);
    this.#members.add(member);
    return Promise.resolve({
      ready: member.ready,
      stats: () => member.stats(),
      close: (drainMs) => member.close(drainMs).finally(() => this.#members.delete(member)),
    });
  }

  override follow(
    topic: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<Follower> {
    const followed = this.#topics.get(topic);
    if (followed === undefined) return Promise.reject(unknownTopic(topic));
    let isOpen = true;
    const deliver = (record: ConsumedRecord): void => {
      queueMicrotask(() => {
        if (isOpen) callReader(handle, record, onFatal);
      });
    };
    const { present, end } = followed.follow(deliver);
    present.forEach(deliver);
    const close = (): Promise<void> => {
      isOpen = false;
      end();
      return Promise.resolve();
    };
    return Promise.resolve({ caughtUp: new Promise<void>((resolve) => queueMicrotask(resolve)), close });
  }

  override openReplyAddress(
    owner: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<ReplyAddress> {
    const topic = `${REPLY_TOPIC_PREFIX}${owner}.${randomUUID()}`;
    this.#addresses.set(topic, (record) => callReader(handle, record, onFatal));
    const close = (): Promise<void> => {
      this.#addresses.delete(topic);
      return Promise.resolve();
    };
    return Promise.resolve({ topic, close });
  }

  override read(topic: string, partition: number, offset: string): Promise<ConsumedRecord | undefined> {
    const found = this.#topics.get(topic);
    if (found === undefined) return Promise.reject(unknownTopic(topic));
    const [record] = found.logs[partition]?.read(Number(offset), 1) ?? [];
    return Promise.resolve(record?.offset === offset ? record : undefined);
  }

  override readNewest(topic: string, count: number): Promise<ConsumedRecord[]> {
    const log = this.#topics.get(topic)?.logs[0];
    if (log === undefined) return Promise.reject(unknownTopic(topic));
    return Promise.resolve(log.read(Math.max(0, log.end - count), count));
  }

  override acceptLoss(): Promise<AcceptedLoss[]> {
    return Promise.resolve([]);
  }

  override now(): number {
    return Date.now();
  }

  override healthy(): boolean {
    return !this.#closed;
  }

  override async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.close()));
    this.#closed = true;
    for (const reject of this.#pending) reject(brokerUnavailable('have the facts handled before it was closed'));
    this.#addresses.clear();
  }

  #deliverReply(record: BusRecord): void {
    const copy = { ...record, value: Buffer.from(record.value), headers: { ...record.headers } };
    queueMicrotask(() =>
      this.#addresses.get(record.topic)?.({ ...copy, partition: 0, offset: '0', timestamp: Date.now() }),
    );
  }

  async #unlessClosed(work: Promise<unknown>): Promise<void> {
    let reject: (error: Error) => void = () => undefined;
    const closed = new Promise<never>((_, rejectIt) => (reject = rejectIt));
    this.#pending.add(reject);
    await Promise.race([work, closed]).finally(() => this.#pending.delete(reject));
  }
}

function callReader(
  handle: (record: ConsumedRecord) => void,
  record: ConsumedRecord,
  onFatal: (error: Error) => void,
): void {
  try {
    handle(record);
  } catch (error) {
    onFatal(error instanceof Error ? error : new Error('the reader threw a value that is not an Error'));
  }
}
