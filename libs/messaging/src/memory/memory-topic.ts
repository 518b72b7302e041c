import { type TopicSpec } from '@countersign/contracts';
import { type BusRecord, type ConsumedRecord } from '../broker.js';
import { partitionOf } from '../envelope/partitioner.js';
import { MemoryLog } from './memory-log.js';

/** A topic in memory: its partitions, and who wants to know of new records. */
export class MemoryTopic {
  readonly logs: readonly MemoryLog[];
  readonly #followers = new Set<(record: ConsumedRecord) => void>();
  readonly #wake = new Set<() => void>();

  constructor(
    readonly spec: TopicSpec,
    partitions: number,
  ) {
    this.logs = Array.from({ length: partitions }, (_, partition) => new MemoryLog(spec, partition));
  }

  /** Resolves when the record is as safe as it gets; see Broker.send. */
  append(record: BusRecord): Promise<void> {
    const partition = partitionOf(record.key, this.logs.length);
    const log = this.logs[partition];
    if (log === undefined) throw new RangeError('a topic has at least one partition');
    const offset = log.append(record, Date.now());
    for (const wake of this.#wake) wake();
    for (const follower of this.#followers) {
      for (const copy of log.read(offset)) follower(copy);
    }
    return this.spec.kind === 'fact' ? log.finished(offset) : Promise.resolve();
  }

  /** All records there are, then `tell` for each new one. Returns what ends it. */
  follow(tell: (record: ConsumedRecord) => void): { present: ConsumedRecord[]; end: () => void } {
    this.#followers.add(tell);
    return { present: this.logs.flatMap((log) => log.read(0)), end: () => this.#followers.delete(tell) };
  }

  /** Calls `wake` after each append. Returns what ends it. */
  onAppend(wake: () => void): () => void {
    this.#wake.add(wake);
    return () => this.#wake.delete(wake);
  }
}
