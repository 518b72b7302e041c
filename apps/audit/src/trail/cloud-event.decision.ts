import { type OcsfEvent } from './ocsf-event.decision.js';

/** What the headers of an event are made of. */
export interface RecordedEvent {
  readonly eventId: string;
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** The exact bytes of the public event. */
  readonly value: Buffer;
}

const OCSF_CLASSES: Readonly<Record<number, string>> = {
  3001: 'account_change',
  3002: 'authentication?profiles=security_control',
  6003: 'api_activity',
};

/**
 * CloudEvents 1.0 attributes as Kafka headers (binary content mode): the value of the record is only the data. The media type
 * of the data is the header `content-type`, and never `ce_datacontenttype`.
 */
export function cloudEventHeaders({
  eventId,
  kind,
  tenant,
  subject,
  time,
  value,
}: RecordedEvent): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: eventId,
    ce_source: '/countersign',
    ce_type: `countersign.${kind}.v1`,
    ce_time: time,
    ce_dataschema: schemaOf(value),
    ce_tenant: tenant,
    ...(subject === undefined ? {} : { ce_subject: subject }),
  };
}

/** The address of the published schema. Read from the value: events stay in the version in which they were recorded. */
function schemaOf(value: Buffer): string {
  const { class_uid: classUid, metadata } = JSON.parse(value.toString('utf8')) as OcsfEvent & { class_uid: number };
  const { version } = metadata as { version: string };
  const name = OCSF_CLASSES[classUid] ?? '';
  return `https://schema.ocsf.io/schema/${version}/classes/${name}`;
}
