import { createDeadLetter, type ConsumedRecord } from '@countersign/messaging';
import { PostgresDeliveries, type Database } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { type Host } from './host.js';

/** No caller waits for these records; they may be this much later, in milliseconds. */
const GATHER_MS = 250;

/** How records that are no messages of the bus are consumed. */
export interface RecordConsumption {
  readonly host: Host;
  readonly database: Database;
  readonly group: string;
  readonly topic: string;
  /** Records that are handled at a time. */
  readonly maxInFlight: number;
  /** Throws a ServiceError that is not retriable for a record that becomes a dead letter. Any other error: it is retried. */
  readonly handle: (record: ConsumedRecord) => Promise<void>;
}

/**
 * Consumes records that are no messages of the bus until the host closes.
 * @throws ServiceError BROKER_UNAVAILABLE
 */
export async function consumeRecords(options: RecordConsumption): Promise<void> {
  const { host, database, group, topic, maxInFlight, handle } = options;
  const { broker, logger } = host;
  const count = (outcome: 'handled' | 'retried' | 'dead_lettered', code?: string): void =>
    host.observe({ group, topic, outcome, ...(code !== undefined && { code }) });
  const deadLetter = async (record: ConsumedRecord, error: ServiceError): Promise<void> => {
    await broker.send([createDeadLetter(record, group, error, broker.now())]);
    count('dead_lettered', error.code);
    const { partition, offset } = record;
    logger.error({ err: error, group, partition, offset }, 'wrote a dead letter');
  };
  const subscription = await broker.consume(
    {
      group,
      topics: [topic],
      maxInFlight,
      gatherMs: GATHER_MS,
      onFatal: host.fatal,
      poisonHandling: {
        deliveries: new PostgresDeliveries(database),
        onPoison: (record) =>
          deadLetter(record, new ServiceError('POISON', 'it has ended the process three times', false)),
        onWaiting: (error) => logger.warn({ err: error, group }, 'new partitions wait'),
      },
    },
    async (record) => {
      try {
        await handle(record);
        count('handled');
      } catch (error) {
        if (error instanceof ServiceError && !error.retriable) return deadLetter(record, error);
        count('retried', error instanceof ServiceError ? error.code : 'INTERNAL');
        logger.warn({ err: error, group }, 'a record could not be handled; it is retried');
        throw error;
      }
    },
  );
  host.onClose(() => subscription.close());
  await subscription.ready;
}
