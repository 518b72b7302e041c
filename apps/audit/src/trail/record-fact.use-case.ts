import { Inject, Injectable } from '@nestjs/common';
import { type FactRecorded, type OcsfVersion } from '@countersign/contracts';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';
import { toOcsf110 } from './ocsf-1-1.decision.js';
import { toOcsf, type OcsfEvent } from './ocsf-event.decision.js';
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

  /** @param traceparent the trace of the fact */
  async record(fact: FactRecorded, traceparent?: string): Promise<void> {
    await this.trail.append({
      eventId: fact.factId,
      kind: fact.kind,
      tenant: fact.tenant,
      subject: fact.subject,
      callId: fact.callId,
      time: fact.time,
      value: await this.personalData.valueOf(fact, this.#eventOf(fact)),
      partitionKey: fact.partitionKey,
      traceparent,
    });
  }

  #eventOf(fact: FactRecorded): OcsfEvent {
    const event = toOcsf(fact);
    return this.ocsfVersion === '1.1.0' ? toOcsf110(event) : event;
  }
}
