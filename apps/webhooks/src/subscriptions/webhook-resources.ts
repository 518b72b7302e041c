import { type DirectoryState } from '@countersign/contracts';
import { type DeliveryRecord } from '../deliveries/deliveries.ports.js';
import { type WebhookRecord } from './subscriptions.ports.js';

type Resource = Readonly<Record<string, unknown>>;

/** A webhook as the API shows it. */
export function webhookResource(record: WebhookRecord): Resource {
  const { webhook: id, tenant, url, eventTypes, description, createdAt, disabledAt, disabledReason } = record;
  const state: DirectoryState = disabledAt === null ? 'enabled' : 'disabled';
  const failingSince = record.failingSince?.toISOString() ?? null;
  return {
    ...{ id, tenant, url, eventTypes, description, state, disabledReason, failingSince },
    createdAt: createdAt.toISOString(),
  };
}

/** An entry of the delivery log as the API shows it. */
export function deliveryResource(record: DeliveryRecord): Resource {
  const { delivery: id, eventId, type: eventType, state, attempts, createdAt, finishedAt, nextAttemptAt } = record;
  return {
    ...{ id, eventId, eventType, state, attempts, createdAt: createdAt.toISOString() },
    finishedAt: finishedAt?.toISOString() ?? null,
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
  };
}

/** One page. @param found one more than the page has, if there are further ones */
export function webhookPage(found: readonly WebhookRecord[], limit: number): Resource {
  const items = found.slice(0, limit);
  return { items: items.map(webhookResource), nextCursor: found.length > limit ? items.at(-1)?.webhook : null };
}

/** One page. @param found one more than the page has, if there are further ones */
export function deliveryPage(found: readonly DeliveryRecord[], limit: number): Resource {
  const items = found.slice(0, limit);
  return { items: items.map(deliveryResource), nextCursor: found.length > limit ? items.at(-1)?.seq : null };
}
