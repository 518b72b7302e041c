export {
  type AcceptedLoss,
  Broker,
  type PoisonHandling,
  type BusRecord,
  type ConsumedRecord,
  type ConsumeOptions,
  type ConsumerStats,
  type Follower,
  type PartitionLag,
  type ReplyAddress,
  type Subscription,
} from './broker.js';
export {
  type BusContext,
  HEADERS,
  isExpired,
  type Outgoing,
  forward,
  replyTo,
  type SignReply,
  toRecord,
} from './envelope/envelope.js';
export { type ReplyVerification, withSignature } from './request-reply/signed-replies.js';
export { decode } from './envelope/decode.js';
export type { Deliveries, HeldPartition, Holder, OpenedPartition, RecordPlace } from './consumption/deliveries.js';
export { backoffMs } from './consumption/backoff.js';
export { createDeadLetter } from './dead-letters/create-dead-letter.js';
export { DeadLetters, type DeadLetterFilter, type Replayability } from './dead-letters/dead-letters.js';
export {
  BusServer,
  type BusServerOptions,
  type HandlerResult,
  type RecordOutcome,
} from './request-reply/bus-server.js';
export { type BusAppOptions, createBusApp, type RootModule } from './request-reply/create-bus-app.js';
export { BusClient, type BusClientOptions, type ProofCheck, type RequestEvent } from './request-reply/bus-client.js';
export { type BrokerSettings, createBroker } from './create-broker.js';
export { type KafkaSecurity, SASL_MECHANISMS, type SaslMechanism } from './kafka/kafka-login.js';
export { type KafkaRight } from './kafka/admin/authorized-operations.js';
export { ClusterInspector, type GroupInspection } from './kafka/admin/cluster-inspector.js';
export { type KafkaOptions } from './kafka/kafka-client.js';
export { MemoryBroker } from './memory/memory-broker.js';
