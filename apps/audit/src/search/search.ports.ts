import { type FactRecorded } from '@countersign/contracts';

/** Which events; an absent field restricts nothing. */
export interface EventFilters {
  readonly tenant?: string;
  readonly subject?: string;
  readonly call?: string;
  readonly type?: string;
  /** ISO 8601, included. */
  readonly from?: string;
  /** ISO 8601, excluded. */
  readonly to?: string;
}

/** A part of the events in the order of their indexes. */
export interface EventRange {
  readonly order: 'asc' | 'desc';
  /** Only events after this index in the order. */
  readonly cursor?: number;
  /** Only indexes below this one. */
  readonly below?: number;
  readonly limit: number;
}

export interface LoggedEvent {
  readonly index: number;
  readonly id: string;
  readonly type: string;
  readonly time: Date;
  readonly tenant: string;
  readonly subject: string | null;
  readonly call: string | null;
  /** The published bytes: one JSON object. */
  readonly value: Buffer;
}

/** A part of the events for an export. */
export interface ExportPart {
  /** In the order of their indexes. */
  readonly events: readonly ExportedEvent[];
  /** Index of the last of them; undefined: there are no more. */
  readonly last: number | undefined;
}

export interface ExportedEvent extends Omit<LoggedEvent, 'index' | 'time' | 'value'> {
  readonly index: string;
  /** ISO 8601. */
  readonly time: string;
  readonly value: string;
}

/** The events of the log, each with a gapless index in the order of commits. So a cursor over indexes skips no event. */
export abstract class EventLog {
  /**
   * @param tenant the tenant of the visible events; undefined: the events of all tenants
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract page(tenant: string | undefined, filters: EventFilters, range: EventRange): Promise<LoggedEvent[]>;
  /**
   * The next events of an export: at most 1,000, and at most 4 MiB. An export reads all events, so what they cost matters.
   * @param isCsv with all fields, and each quotation mark of the value doubled; otherwise with the value alone
   */
  abstract exported(
    tenant: string | undefined,
    filters: EventFilters,
    range: Pick<EventRange, 'cursor' | 'below'>,
    isCsv: boolean,
  ): Promise<ExportPart>;
  /** Undefined also for an event of a tenant that is not visible. */
  abstract event(tenant: string | undefined, id: string): Promise<LoggedEvent | undefined>;
  /** The number of events, which is the next index. */
  abstract size(): Promise<number>;
}

/** A proof that an entry is in the signed log. */
export interface InclusionProof {
  /** Of the log in the checkpoint. */
  readonly size: number;
  readonly hashes: readonly Buffer[];
  /** The signed note. */
  readonly checkpoint: string;
}

export abstract class EventProofs {
  /** @returns undefined until a checkpoint covers the index */
  abstract prove(index: number): Promise<InclusionProof | undefined>;
}

/** Records facts of this service in its own inbox. */
export abstract class OwnFacts {
  /** Resolves when the facts are durable. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  abstract publish(facts: readonly { readonly message: FactRecorded }[]): Promise<void>;
}

/** What streams need from their process. */
export abstract class StreamFaults {
  /** Logs a fault that occurs after the status of the answer was sent. */
  abstract readonly logFault: (error: unknown, what: string) => void;
}
