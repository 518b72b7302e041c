import { TOPICS } from '@countersign/contracts';
import { type FatalHandler, type Host } from '@countersign/hosting';
import { createDeadLetter, type ConsumedRecord } from '@countersign/messaging';
import { PostgresDeliveries, type Database } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { type EventIntake } from './deliveries.ports.js';
import { readPublicEvent } from './public-event.js';

/** Consumer group of the public events. Commands have a group of their own, so that they never wait behind events. */
export const EVENTS_GROUP = 'webhooks-events';
/** Events that are queued at a time; they share statements. */
const MAX_IN_FLIGHT = 256;

interface EventConsumption {
  readonly host: Host;
  readonly database: Database;
  readonly intake: EventIntake;
  readonly fatal: FatalHandler;
}

/**
 * Queues the public events for webhooks until the host closes. They are no messages of the bus, so they are read without a handler.
 * @throws ServiceError BROKER_UNAVAILABLE
 */
export async function consumeEvents(options: EventConsumption): Promise<void> {
  const { host, database, intake, fatal } = options;
  const { broker, logger } = host;
  const topic = TOPICS.auditEvents.name;
  const count = (outcome: 'handled' | 'retried' | 'dead_lettered', code?: string): void =>
    host.observe({ group: EVENTS_GROUP, topic, outcome, ...(code !== undefined && { code }) });
  const deadLetter = async (record: ConsumedRecord, error: ServiceError): Promise<void> => {
    await broker.send([createDeadLetter(record, EVENTS_GROUP, error, broker.now())]);
    count('dead_lettered', error.code);
    logger.error({ err: error, partition: record.partition, offset: record.offset }, 'wrote a dead letter');
  };
  const subscription = await broker.consume(
    {
      group: EVENTS_GROUP,
      topics: [topic],
      maxInFlight: MAX_IN_FLIGHT,
      onFatal: fatal,
      poisonHandling: {
        deliveries: new PostgresDeliveries(database),
        onPoison: (record) =>
          deadLetter(record, new ServiceError('POISON', 'it has ended the process three times', false)),
        onWaiting: (error) => logger.warn({ err: error }, 'new partitions of the events wait'),
      },
    },
    async (record) => {
      try {
        await intake.record(readPublicEvent(record));
        count('handled');
      } catch (error) {
        if (error instanceof ServiceError && !error.retriable) return deadLetter(record, error);
        const code = error instanceof ServiceError ? error.code : 'INTERNAL';
        count('retried', code);
        logger.warn({ err: error }, 'an event could not be queued; it is retried');
        throw error;
      }
    },
  );
  host.onClose(() => subscription.close());
  await subscription.ready;
}
