/** A checkpoint whose signature and root were verified. */
export interface AcceptedCheckpoint {
  readonly size: number;
  readonly root: Buffer;
  /** When the log signed it; 1970 when the note states no time. */
  readonly signedAt: Date;
  /** The signed note, with the cosignatures of the witnesses. */
  readonly note: string;
}

/** The checkpoints of this log, and the tree that they are compared with. */
export abstract class Checkpoints {
  /** The number of entries in the log. */
  abstract size(): Promise<number>;

  /**
   * The root of the first `size` entries, from the stored tiles.
   * @throws an error when a tile is missing, which says nothing about a checkpoint
   */
  abstract root(size: number): Promise<Buffer>;

  /** The largest stored checkpoint, and of several of that size the latest. */
  abstract newest(): Promise<Omit<AcceptedCheckpoint, 'root'> | undefined>;

  /** Stores a checkpoint. One that is stored already changes nothing. */
  abstract store(checkpoint: AcceptedCheckpoint): Promise<void>;
}
