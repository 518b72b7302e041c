import { type ConsumeOptions, type PartitionLag } from '../../broker.js';
import { type PartitionState } from '../../consumption/partition-state.js';
import { type GroupOffsets, groupOffsets } from './group-offsets.js';
import { type KafkaClient } from '../kafka-client.js';
import { type TopicNames } from '../admin/topic-names.js';

/** The ends of partitions are fetched at most this often, in milliseconds, when stats are read. */
const MAX_AGE_MS = 5_000;

/**
 * Measures how far a consumer is behind: from its fetches, and from requests to the cluster, because nothing is fetched
 * from a paused partition.
 */
export class LagMeter {
  /** By topic in the cluster and partition. */
  readonly #known = new Map<string, Pick<GroupOffsets, 'committed' | 'low' | 'high'>>();
  #refreshedAt = -Infinity;

  constructor(
    private readonly client: KafkaClient,
    private readonly names: TopicNames,
    private readonly options: ConsumeOptions,
  ) {}

  update(offsets: GroupOffsets): void {
    this.#known.set(`${offsets.topic}/${offsets.partition}`, offsets);
  }

  updateEnd(topic: string, partition: number, high: number): void {
    const id = `${topic}/${partition}`;
    const known = this.#known.get(id) ?? { committed: undefined, low: 0, high };
    this.#known.set(id, { ...known, high: Math.max(known.high, high) });
  }

  lag(states: Iterable<PartitionState>): PartitionLag[] {
    this.#refresh();
    return [...states].flatMap(({ topic, partition, tracker, committedOffset: committed }) => {
      const known = this.#known.get(`${this.names.inCluster(topic)}/${partition}`);
      if (known === undefined) return [];
      const next = tracker.committable ?? (committed < 0 ? (known.committed ?? known.low) : committed);
      return [{ topic, partition, lag: Math.max(0, known.high - next) }];
    });
  }

  /** Runs in the background: this call returns the known ends, the next one the new ends. */
  #refresh(): void {
    const now = performance.now();
    if (now - this.#refreshedAt < MAX_AGE_MS) return;
    this.#refreshedAt = now;
    const topics = this.options.topics.map((topic) => this.names.inCluster(topic));
    void groupOffsets(this.client, this.names.inCluster(this.options.group), topics).then(
      (answer) => answer.forEach((offsets) => this.update(offsets)),
      // The last answer stays in use; an outage is reported elsewhere.
      () => undefined,
    );
  }
}
