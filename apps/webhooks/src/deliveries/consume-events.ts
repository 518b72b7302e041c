import { TOPICS } from '@countersign/contracts';
import { consumeRecords, type Host } from '@countersign/hosting';
import { type Database } from '@countersign/persistence';
import { type EventIntake } from './deliveries.ports.js';
import { readPublicEvent } from './public-event.js';

/** Consumer group of the public events. Commands have a group of their own, so that they never wait behind events. */
export const EVENTS_GROUP = 'webhooks-events';
/** Events that are queued at a time; they share statements. */
const MAX_IN_FLIGHT = 256;

/**
 * Queues the public events for webhooks until the host closes.
 * @throws ServiceError BROKER_UNAVAILABLE
 */
export function consumeEvents(host: Host, database: Database, intake: EventIntake): Promise<void> {
  return consumeRecords({
    ...{ host, database, group: EVENTS_GROUP, topic: TOPICS.auditEvents.name, maxInFlight: MAX_IN_FLIGHT },
    handle: (record) => intake.record(readPublicEvent(record)),
  });
}
