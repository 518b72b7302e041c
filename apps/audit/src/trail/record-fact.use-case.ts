import { Injectable } from '@nestjs/common';
import { TOPICS, type FactRecorded } from '@countersign/contracts';
import { cloudEventHeaders } from './cloud-event.decision.js';
import { toOcsf } from './ocsf-event.decision.js';
import { AuditTrail } from './trail.ports.js';

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
  constructor(private readonly trail: AuditTrail) {}

  async record(fact: FactRecorded, traceparent?: string): Promise<PublicEvent> {
    const value = await this.trail.append({
      eventId: fact.factId,
      kind: fact.kind,
      tenant: fact.tenant,
      subject: fact.subject,
      callId: fact.callId,
      time: fact.time,
      value: Buffer.from(JSON.stringify(toOcsf(fact))),
      partitionKey: fact.partitionKey,
      traceparent,
    });
    return { topic: TOPICS.auditEvents.name, key: fact.partitionKey, value, headers: cloudEventHeaders(fact) };
  }
}
