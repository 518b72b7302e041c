import { type TopicSpec } from '@countersign/contracts';
import {
  Broker,
  HEADERS,
  MemoryBroker,
  type AcceptedLoss,
  type BusRecord,
  type ConsumedRecord,
  type ConsumeOptions,
  type ConsumerStats,
  type Follower,
  type ReplyAddress,
  type Subscription,
} from '@countersign/messaging';
import {
  currentTrace,
  METRICS,
  readTrace,
  runInTrace,
  traceHeaders,
  type Span,
  type Tracer,
} from '@countersign/observability';
import { ServiceError } from '@countersign/runtime';
import { processAttributes, sendAttributes, topicLabel, type BusSystem } from './bus-spans.js';

const OUTCOMES = ['handled', 'expired', 'retried', 'dead_lettered'] as const;

/**
 * A bus with metrics under the name of the service, and with traces. A handler runs in the trace of its record. A sent record
 * carries the trace of the code that sends it, or else the trace in its stored headers.
 */
export class ObservedBroker extends Broker {
  readonly #removers = new Set<() => void>();
  readonly #system: BusSystem;

  constructor(
    private readonly broker: Broker,
    private readonly service: string,
    private readonly tracer: Tracer | undefined,
  ) {
    super();
    this.#system = broker instanceof MemoryBroker ? 'in_process' : 'kafka';
    // Prometheus sees the first failure as an increase only if the counter was 0 before it.
    METRICS.sendFailures.inc({ service, code: 'BROKER_UNAVAILABLE' }, 0);
  }

  override ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    return this.broker.ensureTopics(topics);
  }

  override async send(records: readonly BusRecord[]): Promise<void> {
    const { service } = this;
    const spans: Span[] = [];
    const traced = this.#traced(records, spans);
    const began = performance.now();
    try {
      // Outside of any trace: a connection that this send opens serves later sends too, and must not log in this trace.
      await runInTrace(undefined, () => this.broker.send(traced));
      for (const { topic } of records) METRICS.sent.inc({ service, topic: topicLabel(topic) });
    } catch (error) {
      const code = codeOf(error);
      METRICS.sendFailures.inc({ service, code });
      for (const span of spans) span.fail(code);
      throw error;
    } finally {
      METRICS.sending.observe({ service }, (performance.now() - began) / 1000);
      for (const span of spans) span.end();
    }
  }

  override async consume(
    options: ConsumeOptions,
    handle: (record: ConsumedRecord) => Promise<void>,
  ): Promise<Subscription> {
    const { service } = this;
    const { group } = options;
    // Prometheus sees the first event as an increase only if the counter was 0 before it.
    for (const topic of options.topics) {
      for (const outcome of OUTCOMES) METRICS.records.inc({ service, group, topic, outcome }, 0);
    }
    const { poisonHandling } = options;
    const observed = poisonHandling && {
      ...poisonHandling,
      onPoison: (record: ConsumedRecord) => this.#handle(group, record, poisonHandling.onPoison),
    };
    const subscription = await this.broker.consume(
      { ...options, ...(observed && { poisonHandling: observed }) },
      (record) => this.#handle(group, record, handle),
    );
    const removeGauges = this.#exposeStats(group, () => subscription.stats());
    return {
      ready: subscription.ready,
      stats: () => subscription.stats(),
      close: (drainMs) => {
        removeGauges();
        return subscription.close(drainMs);
      },
    };
  }

  override follow(
    topic: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<Follower> {
    return this.broker.follow(topic, handle, onFatal);
  }

  override openReplyAddress(
    owner: string,
    handle: (record: ConsumedRecord) => void,
    onFatal: (error: Error) => void,
  ): Promise<ReplyAddress> {
    return this.broker.openReplyAddress(owner, handle, onFatal);
  }

  override read(topic: string, partition: number, offset: string): Promise<ConsumedRecord | undefined> {
    return this.broker.read(topic, partition, offset);
  }

  override readNewest(topic: string, count: number): Promise<ConsumedRecord[]> {
    return this.broker.readNewest(topic, count);
  }

  override acceptLoss(group: string, dryRun: boolean): Promise<AcceptedLoss[]> {
    return this.broker.acceptLoss(group, dryRun);
  }

  override now(): number {
    return this.broker.now();
  }

  override healthy(): boolean {
    return this.broker.healthy();
  }

  override async close(): Promise<void> {
    for (const remove of this.#removers) remove();
    await this.broker.close();
  }

  async #handle(
    group: string,
    record: ConsumedRecord,
    handle: (record: ConsumedRecord) => Promise<void>,
  ): Promise<void> {
    const { service } = this;
    const parent = readTrace(record.headers);
    const span = this.tracer?.start({
      name: `process ${record.topic}`,
      kind: 'consumer',
      parent,
      attributes: processAttributes(this.#system, group, record),
    });
    const began = performance.now();
    try {
      // `undefined` too: otherwise the handler would run in the trace of the record that freed its slot.
      await runInTrace(span?.context ?? parent, () => handle(record), span && ((errorType) => span.fail(errorType)));
    } catch (error) {
      span?.fail(codeOf(error));
      throw error;
    } finally {
      METRICS.handling.observe({ service, group, topic: record.topic }, (performance.now() - began) / 1000);
      span?.end();
    }
  }

  /** The records with the headers of their trace; spans of the sends are added to `spans`. */
  #traced(records: readonly BusRecord[], spans: Span[]): readonly BusRecord[] {
    const { tracer } = this;
    const current = currentTrace();
    if (tracer === undefined) {
      if (current === undefined) return records;
      const headers = traceHeaders();
      return records.map((record) =>
        record.headers[HEADERS.traceparent] === undefined
          ? { ...record, headers: { ...record.headers, ...headers } }
          : record,
      );
    }
    return records.map((record) => {
      const parent = current ?? readTrace(record.headers);
      // A record outside of any trace, such as an entry that the directory publishes at its start, begins none.
      if (parent === undefined) return record;
      const span = tracer.start({
        name: `send ${topicLabel(record.topic)}`,
        kind: 'producer',
        parent,
        attributes: sendAttributes(this.#system, record),
      });
      spans.push(span);
      return { ...record, headers: { ...record.headers, ...span.context } };
    });
  }

  /** @returns removes the gauges */
  #exposeStats(group: string, stats: () => ConsumerStats): () => void {
    const { service } = this;
    const one = (value: number) => [{ labels: { service, group }, value }];
    const removers = [
      METRICS.inFlight.read(() => one(stats().inFlight)),
      METRICS.waiting.read(() => one(stats().waiting)),
      METRICS.retrying.read(() => one(stats().retrying)),
      METRICS.lag.read(() =>
        stats().lag.map(({ topic, partition, lag }) => ({
          labels: { service, group, topic, partition },
          value: lag,
        })),
      ),
    ];
    const removeAll = (): void => {
      for (const remove of removers) remove();
      this.#removers.delete(removeAll);
    };
    this.#removers.add(removeAll);
    return removeAll;
  }
}

function codeOf(error: unknown): string {
  return error instanceof ServiceError ? error.code : 'INTERNAL';
}
