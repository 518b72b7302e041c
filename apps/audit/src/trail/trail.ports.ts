import { type OcsfVersion } from '@countersign/contracts';
import { type CountedEvent } from '../counts/counted-event.decision.js';

/** One fact of the trail: the published bytes, and the fields to search by. */
export interface TrailEntry {
  readonly eventId: string;
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  readonly callId: string | undefined;
  /** ISO 8601. */
  readonly time: string;
  /** The exact bytes of the public event. They are stored and published unchanged. */
  readonly value: Buffer;
  /** Key of the published record: records of one key keep their order. */
  readonly partitionKey: string;
  /** Version of OCSF of the event. */
  readonly ocsfVersion: OcsfVersion;
  /** Trace of the fact, in the form of W3C Trace Context. */
  readonly traceparent: string | undefined;
  /** What it adds to the counts of events. Undefined: nothing. */
  readonly counted: CountedEvent | undefined;
}

/** The append-only record of all facts. */
export abstract class AuditTrail {
  /**
   * Adds a fact to the log, unless one with its id is in it. It has its index when the promise resolves. Facts of one partition
   * must be appended one after the other: they keep that order in the log.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract append(entry: TrailEntry): Promise<void>;
}
