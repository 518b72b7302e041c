import { type AttemptsReported } from '@countersign/contracts';
import { type AttemptDifference, type Difference, type LogAttempt } from './compare-attempts.decision.js';

/** The attempts in the log. */
export abstract class AttemptLog {
  /** Entries of attempts with `from` <= time < `until`, both ISO 8601. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract between(from: string, until: string): Promise<LogAttempt[]>;
  /** Keys of the given attempts that have an entry. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract having(attempts: readonly Pick<AttemptDifference, 'key' | 'countedAt'>[]): Promise<ReadonlySet<string>>;
  /**
   * Entries of attempts from before this time, ISO 8601, may have been pruned; undefined: none were.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract prunedBefore(): Promise<string | undefined>;
}

/** A difference between log and topic: a range of entries, of whatever tenants, so its tenant is the installation. */
export interface TopicDifference extends Omit<AttemptDifference, 'countedAt'> {
  readonly difference: 'not_published' | 'not_in_log';
  /** Number of entries. */
  readonly number: number;
  readonly countedAt: undefined;
}

/** An entry of the log, as a consumer of the topic reads it. */
export interface PublishedEntry {
  readonly index: number;
  /** Of the value. */
  readonly sha256: Buffer;
}

/** The entries that were read back from the topic. */
export abstract class ReadBackEntries {
  /**
   * Adds an entry, which may be repeated. One with other bytes than those of the log counts as missing. It is durable when the
   * promise resolves.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract add(entry: PublishedEntry): Promise<void>;
  /**
   * What the topic lacks of the entries that are old enough to be on it, and what it has beyond the log.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract differences(): Promise<TopicDifference[]>;
}

/** A difference that is certain, and its event. */
export interface ConfirmedDifference extends Omit<AttemptDifference, 'countedAt'> {
  readonly factId: string;
  readonly firstSeenAt: Date;
}

/** What the comparisons have found. */
export abstract class DifferenceRecords {
  /**
   * Replaces the differences of a report's period. One that was known keeps the time at which it was first seen.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract replace(
    report: Pick<AttemptsReported, 'pass' | 'from' | 'until'>,
    found: readonly AttemptDifference[],
  ): Promise<void>;
  /** Replaces all differences between log and topic. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract replaceOfTopic(found: readonly TopicDifference[]): Promise<void>;
  /**
   * Attempts that the log lacked and may have by now: first those that are neither raised nor accepted, each group oldest first.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract missingInLog(limit: number): Promise<Pick<AttemptDifference, 'key' | 'countedAt'>[]>;
  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract resolve(keys: readonly string[]): Promise<void>;
  /**
   * Differences older than this without an event, oldest first, while the log is up to date; after 6 hours, in any case.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract unraised(afterSeconds: number, limit: number): Promise<ConfirmedDifference[]>;
  /** Records that the differences with these facts have an event. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract markRaised(factIds: readonly string[]): Promise<void>;
  /** How many differences of each kind there are. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract counts(): Promise<ReadonlyMap<Difference, number>>;
  /** Seconds since the end of the last compared period; undefined: none was compared. @throws ServiceError DATABASE_UNAVAILABLE */
  abstract comparisonAge(): Promise<number | undefined>;
}
