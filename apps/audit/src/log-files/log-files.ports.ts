/** A tile of hashes, or a bundle of entries. */
export interface LogFileName {
  readonly level: number | 'entries';
  readonly index: number;
  /** Number of hashes or entries. */
  readonly width: number;
}

/** How far the log is recorded, signed and compared with the ledger. */
export interface LogState {
  /** Number of entries. */
  readonly size: number;
  /** The last signed checkpoint. */
  readonly checkpoint: { readonly size: number; readonly signedAt: Date; readonly note: string } | undefined;
  /** Until when counted attempts were compared with the log. */
  readonly comparedUntil: Date | undefined;
  /** Attempts and entries on which ledger, log and topic do not agree, by kind. */
  readonly differences: readonly { readonly difference: string; readonly count: number }[];
}

/** The files with which others verify the log (c2sp.org/tlog-tiles). */
export abstract class LogFiles {
  /** The last signed checkpoint. @returns undefined before the first one */
  abstract checkpoint(): Promise<{ readonly size: number; readonly note: string } | undefined>;

  /** @returns undefined when the log has no such tile, or a narrower one */
  abstract tile(file: LogFileName & { readonly level: number }): Promise<Buffer | undefined>;

  /** The exact bytes of the entries of a bundle, of all tenants. Fewer than its width: the log has not grown so far. */
  abstract entries(file: LogFileName): Promise<Buffer[]>;

  /** @param tenant of the differences; undefined: of all tenants */
  abstract state(tenant: string | undefined): Promise<LogState>;

  /** Entries below this index are removed, or will be soon. */
  abstract prunedBelow(): Promise<number>;
}
