import { createHash } from 'node:crypto';
import { DEAD_LETTERS, DeadLettered } from '@countersign/contracts';
import { type Broker, type ConsumedRecord } from '../broker.js';
import { decode } from '../envelope/decode.js';
import { contextOf, HEADERS, isExpired } from '../envelope/envelope.js';

export interface DeadLetterFilter {
  readonly group?: string;
  readonly code?: string;
  /** Only dead letters from this moment on, in milliseconds since 1970. */
  readonly since?: number;
}

/**
 * Whether the record of a dead letter can be replayed. `gone`: retention has removed it. `changed`: the topic was
 * recreated, and another record has its offset. `expired`: its deadline has passed, so it would be dropped.
 */
export type Replayability = 'replayable' | 'gone' | 'changed' | 'expired';

const CLASSES = new Map([[DeadLettered.type, DeadLettered]]);

/** The dead letters of an installation. Their records stay in the topics where they were written. */
export class DeadLetters {
  constructor(private readonly broker: Broker) {}

  /**
   * All dead letters that match the filter, each once, ordered by time. Unreadable ones are skipped.
   * @throws ServiceError BROKER_UNAVAILABLE (retriable)
   */
  async list(filter: DeadLetterFilter = {}): Promise<DeadLettered[]> {
    await this.broker.ensureTopics([DEAD_LETTERS]);
    const found = new Map<string, DeadLettered>();
    const take = (record: ConsumedRecord): void => {
      const deadLetter = decodeDeadLetter(record);
      if (deadLetter !== undefined && matchesFilter(deadLetter, filter) && !found.has(deadLetter.letterId))
        found.set(deadLetter.letterId, deadLetter);
    };
    let broken: (error: Error) => void = () => undefined;
    const failure = new Promise<never>((_, reject) => (broken = reject));
    const follower = await this.broker.follow(DEAD_LETTERS.name, take, (error) => broken(error));
    await Promise.race([follower.caughtUp, failure]).finally(() => follower.close());
    return [...found.values()].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  }

  /**
   * The record of a dead letter, when it still exists.
   * @throws ServiceError BROKER_UNAVAILABLE (retriable)
   */
  record(deadLetter: DeadLettered): Promise<ConsumedRecord | undefined> {
    return this.broker.read(deadLetter.recordTopic, deadLetter.partition, deadLetter.offset);
  }

  /** @param record the record that is now at the offset of the dead letter's record */
  replayability(deadLetter: DeadLettered, record: ConsumedRecord | undefined): Replayability {
    if (record === undefined) return 'gone';
    if (createHash('sha256').update(record.value).digest('hex') !== deadLetter.sha256) return 'changed';
    return isExpired(contextOf(record, this.broker.now())) ? 'expired' : 'replayable';
  }

  /**
   * Sends the record again with the same key, value and headers, and a header that names the dead letter. Every group
   * of its topic receives it.
   * @throws ServiceError BROKER_UNAVAILABLE (retriable)
   */
  async replay(deadLetter: DeadLettered, record: ConsumedRecord): Promise<void> {
    const { topic, key, value, headers } = record;
    await this.broker.send([{ topic, key, value, headers: { ...headers, [HEADERS.replayOf]: deadLetter.letterId } }]);
  }
}

function decodeDeadLetter(record: ConsumedRecord): DeadLettered | undefined {
  try {
    return decode(record, CLASSES) as DeadLettered;
  } catch {
    return undefined;
  }
}

function matchesFilter(deadLetter: DeadLettered, { group, code, since }: DeadLetterFilter): boolean {
  return (
    (group === undefined || deadLetter.group === group) &&
    (code === undefined || deadLetter.code === code) &&
    (since === undefined || Date.parse(deadLetter.time) >= since)
  );
}
