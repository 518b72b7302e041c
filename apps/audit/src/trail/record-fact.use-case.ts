import { TOPICS, type FactRecorded } from '@countersign/contracts';
import { cloudEventHeaders } from './cloud-event.decision.js';
import { toOcsf } from './ocsf-event.decision.js';
import { type AuditTrail } from './trail.ports.js';

/** A record for the public topic: the bytes that stand in the trail, and nothing that changes them on the way. */
export interface PublicEvent {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Puts a fact on record, then gives it to the public. Twice the same fact gives twice the same bytes. */
export class RecordFact {
  constructor(private readonly trail: AuditTrail) {}

  async record(fact: FactRecorded): Promise<PublicEvent> {
    const value = await this.trail.append({
      eventId: fact.factId,
      kind: fact.kind,
      tenant: fact.tenant,
      subject: fact.subject,
      callId: fact.callId,
      time: fact.time,
      value: Buffer.from(JSON.stringify(toOcsf(fact))),
    });
    return { topic: TOPICS.auditEvents.name, key: fact.partitionKey, value, headers: cloudEventHeaders(fact) };
  }
}
