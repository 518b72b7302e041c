import { createBroker, type Broker } from '@countersign/messaging';
import { type Logger } from '@countersign/observability';
import { ServiceError } from '@countersign/service';
import { type BusSettings } from './settings.js';

/**
 * The bus that the settings name; nothing is connected yet.
 * @param name of the process, for the logs of the brokers
 * @throws ServiceError SETTINGS_INVALID without KAFKA_BROKERS
 */
export function openBroker(name: string, settings: BusSettings, logger: Logger): Broker {
  if (settings.KAFKA_BROKERS === undefined) {
    throw new ServiceError(
      'SETTINGS_INVALID',
      'KAFKA_BROKERS must be set: a service that runs alone meets the others on Kafka (npm start needs none)',
      false,
    );
  }
  return createBroker({
    brokers: settings.KAFKA_BROKERS.split(','),
    clientId: name,
    topicPrefix: settings.TOPIC_PREFIX,
    partitions: settings.TOPIC_PARTITIONS,
    replication: settings.TOPIC_REPLICATION,
    lingerMs: settings.SEND_LINGER_MS,
    sessionTimeoutMs: settings.GROUP_SESSION_TIMEOUT_MS,
    silenceMs: settings.CONSUMER_SILENCE_SECONDS * 1_000,
    log: (text) => logger.warn({}, text),
  });
}
