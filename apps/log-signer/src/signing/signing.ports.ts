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

/** What the signer has signed last: its own memory, outside of the database. */
export abstract class SignerState {
  /** @returns undefined before the first signature. @throws ServiceError SETTINGS_INVALID when it cannot be read */
  abstract read(): Promise<SignedHead | undefined>;

  /** Durable when the promise resolves. */
  abstract write(head: SignedHead): Promise<void>;
}

/** Leads from an older size of the log to the one that is signed. */
export type ProofFrom = (olderSize: number) => Promise<Buffer[]>;

/** Others that sign what they have seen, and refuse a second history (c2sp.org/tlog-witness). */
export abstract class Witnesses {
  /**
   * @returns the checkpoint with the signatures of the witnesses that answered in time. One that does not answer delays only
   * the first checkpoint, and then is left out for a while
   */
  abstract cosign(head: SignedHead, proofFrom: ProofFrom): Promise<string>;
}

/** Carries checkpoints out of the reach of the owner of the database. */
export abstract class CheckpointTopic {
  /**
   * The checkpoint of this log that was published last.
   * @throws EvidenceError when our key has not signed it
   */
  abstract last(): Promise<SignedHead | undefined>;

  abstract publish(note: string): Promise<void>;
}
