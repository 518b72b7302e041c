import { type OcsfVersion } from '@countersign/contracts';
import { CLASSIFICATIONS, type Classification } from './ocsf-classes.decision.js';

/** What the headers of an event are made of. */
export interface RecordedEvent {
  readonly eventId: string;
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Version of OCSF in which the event was recorded. It stays in it. */
  readonly ocsfVersion: OcsfVersion;
}

const SCHEMA_NAMES: Readonly<Record<Classification['family'], string>> = {
  accountChange: 'account_change',
  authentication: 'authentication?profiles=security_control',
  operatorSignIn: 'authentication?profiles=security_control',
  apiActivity: 'api_activity',
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
  ocsfVersion,
}: RecordedEvent): Readonly<Record<string, string>> {
  // A later version can have recorded a kind that this one does not know.
  const family = (CLASSIFICATIONS as Readonly<Record<string, Classification | undefined>>)[kind]?.family;
  return {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: eventId,
    ce_source: '/countersign',
    ce_type: `countersign.${kind}.v1`,
    ce_time: time,
    ...(family && { ce_dataschema: `https://schema.ocsf.io/schema/${ocsfVersion}/classes/${SCHEMA_NAMES[family]}` }),
    ce_tenant: tenant,
    ...(subject === undefined ? {} : { ce_subject: subject }),
  };
}
