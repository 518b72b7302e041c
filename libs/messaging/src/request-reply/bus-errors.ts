import { ServiceError } from '@countersign/runtime';
import { brokerRefusalOf } from '../kafka/refusals.js';

/**
 * The error of a failed call to the broker.
 * @param action what failed, as it follows on "the broker could not"
 */
export function brokerUnavailable(action: string, cause?: unknown): ServiceError {
  const advice =
    brokerRefusalOf(cause)?.advice ?? 'check that the brokers named by KAFKA_BROKERS run and can be reached';
  return new ServiceError('BROKER_UNAVAILABLE', `the broker could not ${action}: ${advice}`, true, cause);
}

/** For a start: a refusal will not change by retrying. Never used for work in progress, which would be lost. */
export function brokerRefusedError(advice: string, cause: unknown): ServiceError {
  return new ServiceError('BROKER_UNAVAILABLE', advice, false, cause);
}

export function unknownTopic(topic: string, cause?: unknown): ServiceError {
  return new ServiceError('INTERNAL', `topic ${topic} does not exist: call ensureTopics before using it`, false, cause);
}

export function recordTooLarge(topic: string, cause: unknown): ServiceError {
  const advice = 'send a smaller one, or raise message.max.bytes of the brokers or max.message.bytes of the topic';
  return new ServiceError(
    'INTERNAL',
    `a record for topic ${topic} is too large for the broker: ${advice}`,
    false,
    cause,
  );
}
