/** One entry of the trail: what is published, and what it is searched by. */
export interface TrailEntry {
  readonly eventId: string;
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  readonly callId: string | undefined;
  /** ISO 8601. */
  readonly time: string;
  /** Exactly the bytes of the public event: they are kept, published and, later, hashed as they are. */
  readonly value: Buffer;
}

/** The append-only record of everything. */
export abstract class AuditTrail {
  /**
   * Keeps an entry and is durable when it returns. An event that came before is not kept twice.
   * @returns the bytes that stand in the trail: those of the first time, when an event comes again
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract append(entry: TrailEntry): Promise<Buffer>;
}
