import { type Broker } from './broker.js';
import { KafkaBroker } from './kafka/kafka-broker.js';
import { type KafkaOptions } from './kafka/kafka-client.js';
import { MemoryBroker } from './memory/memory-broker.js';

export interface BrokerSettings extends Omit<KafkaOptions, 'brokers'> {
  /** `host:port` of Kafka brokers. Absent or empty: the bus runs inside this process. */
  readonly brokers?: readonly string[];
}

/** Creates the broker that the settings select. It does not connect yet. */
export function createBroker(settings: BrokerSettings): Broker {
  const { brokers = [], partitions } = settings;
  if (brokers.length > 0) return new KafkaBroker({ ...settings, brokers });
  return new MemoryBroker(partitions === undefined ? {} : { partitions });
}
