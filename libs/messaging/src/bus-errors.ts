import { ServiceError } from '@countersign/service';

/**
 * @param action what did not work, as it follows on "the broker could not"
 */
export function brokerUnavailable(action: string, cause?: unknown): ServiceError {
  const advice = 'check that the brokers named by KAFKA_BROKERS run and can be reached';
  return new ServiceError('BROKER_UNAVAILABLE', `the broker could not ${action}: ${advice}`, true, cause);
}

export function unknownTopic(topic: string, cause?: unknown): ServiceError {
  return new ServiceError('INTERNAL', `topic ${topic} does not exist: call ensureTopics before using it`, false, cause);
}
