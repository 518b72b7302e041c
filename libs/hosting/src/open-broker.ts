import { createBroker, type Broker, type KafkaOptions } from '@countersign/messaging';
import { type Logger } from '@countersign/observability';
import { ServiceError, SteadyClock, type Clock } from '@countersign/runtime';
import { kafkaSecurity } from './connection-security.js';
import { type BusSettings } from './settings.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Shortest time between two lines, in milliseconds. */
const LINE_PAUSE_MS = 5_000;

/**
 * Creates the bus over Kafka that the settings describe. Does not connect yet.
 * @param name of the service, for the logs of the brokers
 * @throws ServiceError SETTINGS_INVALID
 */
export function openBroker(name: string, settings: BusSettings, logger: Logger): Broker {
  if (settings.KAFKA_BROKERS === undefined) {
    throw new ServiceError(
      'SETTINGS_INVALID',
      'KAFKA_BROKERS must be set: a service in its own process needs Kafka (npm start does not)',
      false,
    );
  }
  return createBroker({
    ...kafkaOptions(name, settings),
    log: throttledLines((text) => logger.warn({}, text), new SteadyClock()),
  });
}

/**
 * The client of Kafka that the settings describe.
 * @param name of the process, for the logs of the brokers
 * @throws ServiceError SETTINGS_INVALID
 */
export function kafkaOptions(name: string, settings: BusSettings): KafkaOptions {
  return {
    brokers: settings.KAFKA_BROKERS?.split(',') ?? [],
    clientId: `countersign-${name}`,
    topicPrefix: settings.TOPIC_PREFIX,
    partitions: settings.TOPIC_PARTITIONS,
    replication: settings.TOPIC_REPLICATION,
    commandRetentionMs: settings.COMMAND_RETENTION_SECONDS * 1000,
    ...(settings.AUDIT_RETENTION_DAYS > 0 ? { factRetentionMs: settings.AUDIT_RETENTION_DAYS * DAY_MS } : {}),
    storedFactRetentionMs: settings.FACTS_RETENTION_HOURS * HOUR_MS,
    security: kafkaSecurity(settings),
    sessionTimeoutMs: settings.GROUP_SESSION_TIMEOUT_MS,
    silenceMs: settings.CONSUMER_SILENCE_SECONDS * 1000,
  };
}

/**
 * Writes at most one line every five seconds, with the number of lines omitted before it. A client library logs the same line
 * about an unreachable broker many times per second.
 */
export function throttledLines(write: (line: string) => void, clock: Clock): (line: string) => void {
  let nextLineAt = 0;
  let omitted = 0;
  return (line) => {
    const now = clock.now();
    if (now < nextLineAt) {
      omitted++;
      return;
    }
    write(omitted === 0 ? line : `${line} (and ${omitted} lines like it)`);
    nextLineAt = now + LINE_PAUSE_MS;
    omitted = 0;
  };
}
