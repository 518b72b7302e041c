import { Inject, Injectable } from '@nestjs/common';
import { TOPICS, type FactRecorded, type OcsfVersion } from '@countersign/contracts';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';
import { cloudEventHeaders } from './cloud-event.decision.js';
import { toOcsf110 } from './ocsf-1-1.decision.js';
import { toOcsf, type OcsfEvent } from './ocsf-event.decision.js';
import { AuditTrail } from './trail.ports.js';

/** Injects the version of OCSF in which events are recorded and published. */
export const OCSF_VERSION = Symbol('OCSF version');

/** A record for the topic of public events. Its value is exactly the stored bytes. */
export interface PublicEvent {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Records a fact and returns its public event to publish. A redelivered fact returns the bytes of its first delivery. */
@Injectable()
export class RecordFact {
  constructor(
    private readonly trail: AuditTrail,
    private readonly personalData: SealPersonalData,
    @Inject(OCSF_VERSION) private readonly ocsfVersion: OcsfVersion,
  ) {}

  async record(fact: FactRecorded, traceparent?: string): Promise<PublicEvent> {
    const entry = {
      eventId: fact.factId,
      kind: fact.kind,
      tenant: fact.tenant,
      subject: fact.subject,
      callId: fact.callId,
      time: fact.time,
      value: await this.personalData.valueOf(fact, this.#eventOf(fact)),
      partitionKey: fact.partitionKey,
      traceparent,
    };
    const value = await this.trail.append(entry);
    const headers = cloudEventHeaders({ ...entry, value });
    return { topic: TOPICS.auditEvents.name, key: fact.partitionKey, value, headers };
  }

  #eventOf(fact: FactRecorded): OcsfEvent {
    const event = toOcsf(fact);
    return this.ocsfVersion === '1.1.0' ? toOcsf110(event) : event;
  }
}
