import { isUtcTime } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type WebhookEvent } from './deliveries.ports.js';

const TYPE = /^countersign\.([a-z_]+\.[a-z_]+)\.v\d+$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A record of the topic of public events. */
export interface PublicEventRecord {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Turns an event of the public topic, which is in the binary mode of CloudEvents, into what webhooks get: the same event in the
 * structured mode. `data` has exactly the bytes of the record.
 * @throws ServiceError MESSAGE_UNREADABLE
 */
export function readPublicEvent({ key, value, headers }: PublicEventRecord): WebhookEvent {
  const { ce_id: id = '', ce_type: type = '', ce_time: time = '', ce_tenant: tenant = '', ce_source: source } = headers;
  const kind = TYPE.exec(type)?.[1];
  if (!UUID.test(id) || kind === undefined || tenant === '' || !isUtcTime(time)) {
    throw new ServiceError(
      'MESSAGE_UNREADABLE',
      'a record of the public topic is no CloudEvent of this product',
      false,
    );
  }
  const subject = headers['ce_subject'];
  const attributes = { specversion: '1.0', id, source, type, time, tenant, ...(subject !== undefined && { subject }) };
  return {
    eventId: id,
    tenant,
    kind,
    queue: key,
    time: new Date(time),
    body: () => structuredEvent(attributes, value),
  };
}

/** A CloudEvent in structured mode. @param data JSON */
export function structuredEvent(attributes: Readonly<Record<string, string | undefined>>, data: Buffer): Buffer {
  const head = JSON.stringify({ ...attributes, datacontenttype: 'application/json' });
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"data":`), data, Buffer.from('}')]);
}
