import { type TrailEntry } from '../trail/trail.ports.js';

/** The begin of a shard, which is a half-year of the log. */
export interface ShardStart {
  /** For example `2026h2`. */
  readonly shard: string;
  /** Index of its first entry. */
  readonly first: number;
  /** On the clock of the database. */
  readonly time: Date;
  /** The last signed checkpoint of the shard before; undefined when nothing was signed yet. */
  readonly checkpoint: string | undefined;
}

/** Gives the entry that begins a shard. */
export type ShardStartedEntry = (start: ShardStart) => TrailEntry;

/** What one batch added to the log. */
export interface SequencedBatch {
  /** Facts that were taken, duplicates included. */
  readonly taken: number;
  /** Entries after the batch. */
  readonly size: number;
}

/** Assigns the indexes of the log. */
export abstract class LogSequencer {
  /**
   * Adds facts to the log in their order, with tiles and tree head, in one transaction. Those of the inbox come first, the longest
   * waiting before the others. A fact that is in the log already changes nothing.
   * @param limit the maximum number of facts of the inbox
   * @param facts each id once
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable; also when another copy has changed the log
   */
  abstract sequence(limit: number, facts?: readonly TrailEntry[]): Promise<SequencedBatch>;
}
