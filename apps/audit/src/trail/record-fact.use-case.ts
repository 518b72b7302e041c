import { Inject, Injectable } from '@nestjs/common';
import { type FactRecorded, type OcsfVersion } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { MAX_ENTRY_BYTES } from '@countersign/transparency-log';
import { countedEvent } from '../counts/counted-event.decision.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';
import { publicEventOf } from './ocsf-1-1.decision.js';
import { AuditTrail } from './trail.ports.js';

/** Injects the version of OCSF in which events are recorded and published. */
export const OCSF_VERSION = Symbol('OCSF version');

/** Records a fact as a public event. A redelivered fact changes nothing: the bytes of its first delivery stay. */
@Injectable()
export class RecordFact {
  constructor(
    private readonly trail: AuditTrail,
    private readonly personalData: SealPersonalData,
    @Inject(OCSF_VERSION) private readonly ocsfVersion: OcsfVersion,
  ) {}

  /**
   * @param traceparent the trace of the fact
   * @throws ServiceError EVENT_TOO_LARGE, when no entry bundle could hold the event; DATABASE_UNAVAILABLE, retriable
   */
  async record(fact: FactRecorded, traceparent?: string): Promise<void> {
    const value = await this.personalData.valueOf(fact, publicEventOf(fact, this.ocsfVersion));
    if (value.length > MAX_ENTRY_BYTES)
      throw new ServiceError(
        'EVENT_TOO_LARGE',
        `the event has ${value.length} bytes, more than an entry of the log`,
        false,
      );
    await this.trail.append({
      eventId: fact.factId,
      kind: fact.kind,
      tenant: fact.tenant,
      subject: fact.subject,
      callId: fact.callId,
      time: fact.time,
      value,
      partitionKey: fact.partitionKey,
      ocsfVersion: this.ocsfVersion,
      traceparent,
      counted: countedEvent(fact),
    });
  }
}
