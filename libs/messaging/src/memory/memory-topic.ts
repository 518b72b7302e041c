import { type TopicSpec } from '@countersign/contracts';
import { type BusRecord, type ConsumedRecord } from '../broker.js';
import { partitionOf } from '../envelope/partitioner.js';
import { MemoryLog } from './memory-log.js';

/** Whether a send waits until every group has handled the record: what nobody may lose, and nothing survives the process. */
export function waitsForGroups({ kind }: TopicSpec): boolean {
  return kind === 'fact' || kind === 'log';
}

/** A topic in memory: its partitions, and the listeners for new records. */
export class MemoryTopic {
  readonly logs: readonly MemoryLog[];
  readonly #followers = new Set<(record: ConsumedRecord) => void>();
  readonly #appendListeners = new Set<() => void>();

  constructor(
    readonly spec: TopicSpec,
    partitions: number,
  ) {
    this.logs = Array.from({ length: partitions }, (_, partition) => new MemoryLog(spec, partition));
  }

  /** Resolves when the record is durable in the sense of Broker.send. */
  append(record: BusRecord): Promise<void> {
    const partition = partitionOf(record.key, this.logs.length);
    const log = this.logs[partition];
    if (log === undefined) throw new RangeError('a topic has at least one partition');
    const offset = log.append(record, Date.now());
    for (const listener of this.#appendListeners) listener();
    for (const follower of this.#followers) {
      for (const copy of log.read(offset)) follower(copy);
    }
    return waitsForGroups(this.spec) ? log.whenFinished(offset) : Promise.resolve();
  }

  /** Returns all records, then calls `onRecord` for each new one until `end` is called. */
  follow(onRecord: (record: ConsumedRecord) => void): { present: ConsumedRecord[]; end: () => void } {
    this.#followers.add(onRecord);
    return { present: this.logs.flatMap((log) => log.read(0)), end: () => this.#followers.delete(onRecord) };
  }

  /**
   * Calls `listener` after each append.
   * @returns a function that removes the listener
   */
  onAppend(listener: () => void): () => void {
    this.#appendListeners.add(listener);
    return () => this.#appendListeners.delete(listener);
  }
}
