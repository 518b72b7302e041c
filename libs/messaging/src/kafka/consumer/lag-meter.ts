import { type ConsumeOptions, type PartitionLag } from '../../broker.js';
import { type PartitionState } from '../../consumption/partition-state.js';
import { type GroupOffsets, groupOffsets } from './group-offsets.js';
import { type KafkaClient } from '../kafka-client.js';
import { type TopicNames } from '../admin/topic-names.js';

/** What partitions hold is asked at most this often, in milliseconds, when somebody wants figures. */
const MAX_AGE_MS = 5_000;

/** How far a consumer is behind: by what its fetches tell, and by asking, because a paused partition is not fetched from. */
export class LagMeter {
  /** By topic in the cluster and partition. */
  readonly #known = new Map<string, Pick<GroupOffsets, 'committed' | 'low' | 'high'>>();
  #askedAt = -Infinity;

  constructor(
    private readonly client: KafkaClient,
    private readonly names: TopicNames,
    private readonly options: ConsumeOptions,
  ) {}

  heard(offsets: GroupOffsets): void {
    this.#known.set(`${offsets.topic}/${offsets.partition}`, offsets);
  }

  ends(topic: string, partition: number, high: number): void {
    const id = `${topic}/${partition}`;
    const known = this.#known.get(id) ?? { committed: undefined, low: 0, high };
    this.#known.set(id, { ...known, high: Math.max(known.high, high) });
  }

  lag(lanes: Iterable<PartitionState>): PartitionLag[] {
    this.#ask();
    return [...lanes].flatMap(({ topic, partition, tracker, committedOffset: committed }) => {
      const known = this.#known.get(`${this.names.inCluster(topic)}/${partition}`);
      if (known === undefined) return [];
      const next = tracker.committable ?? (committed < 0 ? (known.committed ?? known.low) : committed);
      return [{ topic, partition, lag: Math.max(0, known.high - next) }];
    });
  }

  /** In the background: who asks gets what is known, and the next one the answer. */
  #ask(): void {
    const now = performance.now();
    if (now - this.#askedAt < MAX_AGE_MS) return;
    this.#askedAt = now;
    const topics = this.options.topics.map((topic) => this.names.inCluster(topic));
    void groupOffsets(this.client, this.names.inCluster(this.options.group), topics).then(
      (answer) => answer.forEach((offsets) => this.heard(offsets)),
      // The last answer stands; that the cluster is away shows elsewhere.
      () => undefined,
    );
  }
}
