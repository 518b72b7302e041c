import { type TopicSpec } from '@countersign/contracts';
import { type BusRecord, type ConsumedRecord } from '../broker.js';

/** Retention of commands for groups that are not running, as on Kafka, in milliseconds. */
const COMMAND_RETENTION_MS = 600_000;
/** How many facts are kept while no group has ever consumed. */
const MAX_UNREAD_FACTS = 1_000;
/** Records are removed in batches of this size, because each removal moves the rest. */
const PURGE_BATCH = 256;

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
}

/** One partition of a topic in memory. */
export class MemoryLog {
  /** In the order of their offsets; offsets have gaps after compaction. */
  #records: ConsumedRecord[] = [];
  #next = 0;
  /** The next offset that each group would read: all earlier ones are finished. */
  readonly #committed = new Map<string, number>();
  readonly #waiters: Waiter[] = [];
  #keys = new Set<string>();

  constructor(
    private readonly topic: TopicSpec,
    private readonly partition: number,
  ) {}

  /**
   * Appends a copy, so that no object is shared with the sender.
   * @returns the offset
   */
  append(record: BusRecord, now: number): number {
    const offset = this.#next++;
    this.#records.push({
      topic: record.topic,
      partition: this.partition,
      offset: String(offset),
      key: record.key,
      value: Buffer.from(record.value),
      headers: { ...record.headers },
      timestamp: now,
    });
    this.#purge(now);
    return offset;
  }

  /** At most `limit` records from an offset on, as copies. */
  read(from: number, limit: number = Infinity): ConsumedRecord[] {
    const start = this.#indexOf(from);
    return this.#records
      .slice(start, limit === Infinity ? undefined : start + limit)
      .map((record) => ({ ...record, value: Buffer.from(record.value), headers: { ...record.headers } }));
  }

  /** Registers a group; it starts with the oldest record. */
  register(group: string): void {
    if (!this.#committed.has(group)) this.#committed.set(group, 0);
  }

  /** The offset that the next record will get. */
  get end(): number {
    return this.#next;
  }

  committed(group: string): number {
    return this.#committed.get(group) ?? 0;
  }

  commit(group: string, offset: number): void {
    if (offset <= this.committed(group)) return;
    this.#committed.set(group, offset);
    const finished = this.#finishedByAll();
    while (this.#waiters[0] !== undefined && this.#waiters[0].offset < finished) this.#waiters.shift()?.resolve();
    this.#purge(Date.now());
  }

  /** Resolves when every group that ever consumed has finished the record. */
  whenFinished(offset: number): Promise<void> {
    if (offset < this.#finishedByAll()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ offset, resolve }));
  }

  #finishedByAll(): number {
    return this.#committed.size === 0 ? this.#next : Math.min(...this.#committed.values());
  }

  #purge(now: number): void {
    switch (this.topic.kind) {
      case 'state':
        return this.#compact();
      case 'command': {
        const finished = this.#committed.size === 0 ? 0 : this.#indexOf(this.#finishedByAll());
        const old = now - COMMAND_RETENTION_MS;
        let count = finished;
        while ((this.#records[count]?.timestamp ?? Infinity) < old) count++;
        return this.#removeOldest(count);
      }
      // Nothing survives the process, so what every group has handled is of no use to a later one.
      case 'log':
      case 'fact': {
        const unread = this.#committed.size === 0;
        return this.#removeOldest(
          unread ? this.#records.length - MAX_UNREAD_FACTS : this.#indexOf(this.#finishedByAll()),
        );
      }
    }
  }

  #removeOldest(count: number): void {
    if (count >= PURGE_BATCH) this.#records.splice(0, count);
  }

  /** Keeps the newest record of each key. Runs when at least half of the records are older ones. */
  #compact(): void {
    const newest = this.#records.at(-1);
    if (newest !== undefined) this.#keys.add(newest.key);
    if (this.#records.length < 2 * this.#keys.size + PURGE_BATCH) return;
    const byKey = new Map<string, ConsumedRecord>();
    for (const record of this.#records) {
      byKey.delete(record.key);
      byKey.set(record.key, record);
    }
    this.#records = [...byKey.values()];
    this.#keys = new Set(byKey.keys());
  }

  /** Index of the first record at or after an offset. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Number(this.#records[middle]?.offset) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
