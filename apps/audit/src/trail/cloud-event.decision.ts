import { type FactRecorded } from '@countersign/contracts';

/** CloudEvents 1.0 attributes as Kafka headers (binary content mode): the value of the record is only the data. */
export function cloudEventHeaders(fact: FactRecorded): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: fact.factId,
    ce_source: '/countersign',
    ce_type: `countersign.${fact.kind}.v1`,
    ce_time: fact.time,
    ce_tenant: fact.tenant,
    ...(fact.subject === undefined ? {} : { ce_subject: fact.subject }),
  };
}
