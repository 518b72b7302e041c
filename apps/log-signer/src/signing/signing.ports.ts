/** Size and root of the log. */
export interface TreeHead {
  readonly size: number;
  readonly root: Buffer;
}

/** A head with the signed note that states it. */
export interface SignedHead extends TreeHead {
  readonly note: string;
}

/** A stored tile of hashes. */
export interface TileName {
  readonly level: number | 'entries';
  readonly index: number;
}

/** The log as the sequencer wrote it. Nothing that it returns is trusted. */
export abstract class LogReader {
  /** @throws LogRefused, ServiceError DATABASE_UNAVAILABLE */
  abstract head(): Promise<TreeHead>;

  /** @throws EvidenceError when it is missing */
  abstract readTile(tile: TileName): Promise<Buffer>;
}

/** The note that was signed last, stored outside of the database, so whoever sets back the database cannot set it back too. */
export abstract class SignerState {
  /** @returns undefined before the first signature. @throws ServiceError SETTINGS_INVALID when it cannot be read */
  abstract read(): Promise<SignedHead | undefined>;

  /** Durable when the promise resolves. */
  abstract write(head: SignedHead): Promise<void>;
}

/** The consistency proof from an older size of the log to the size that is signed. */
export type ProofFrom = (olderSize: number) => Promise<Buffer[]>;

/** Parties apart from the operator that cosign checkpoints and refuse a second history (c2sp.org/tlog-witness). */
export abstract class Witnesses {
  /**
   * @returns the checkpoint with the signatures of the witnesses that answered in time. One that does not
   * answer delays one checkpoint and is then skipped for a time
   */
  abstract cosign(head: SignedHead, proofFrom: ProofFrom): Promise<string>;
}

/** The topic of checkpoints, which the owner of the database cannot change. */
export abstract class CheckpointTopic {
  /**
   * The largest checkpoint of this log among the last records.
   * @throws EvidenceError when our key has signed none of them
   */
  abstract last(): Promise<SignedHead | undefined>;

  abstract publish(note: string): Promise<void>;
}
