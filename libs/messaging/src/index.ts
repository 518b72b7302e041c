export {
  type AcceptedLoss,
  Broker,
  type Care,
  type BusRecord,
  type ConsumedRecord,
  type ConsumeOptions,
  type Figures,
  type Follower,
  type PartitionLag,
  type ReplyAddress,
  type Subscription,
} from './broker.js';
export { type BusContext, HEADERS, isExpired, type Outgoing, passOn, replyTo, toRecord } from './envelope.js';
export { type AnswerProof, type SignAnswer, signed } from './answer-proof.js';
export { decode } from './decode.js';
export type { Deliveries, HeldPartition, Holder, OpenedPartition, RecordPlace } from './deliveries.js';
export { backoffMs } from './backoff.js';
export { DeadLetterBox, type LetterFilter, type ReplayVerdict } from './dead-letter-box.js';
export { BusServer, type BusServerOptions, type HandlerResult, type RecordOutcome } from './bus-server.js';
export { PassErrorsFilter } from './pass-errors.filter.js';
export { type BusAppOptions, createBusApp, type RootModule } from './create-bus-app.js';
export { BusClient, type BusClientOptions, type QuestionEvent } from './bus-client.js';
export { type BrokerSettings, createBroker } from './create-broker.js';
export { type KafkaSecurity, SASL_MECHANISMS, type SaslMechanism } from './kafka/kafka-login.js';
export { MemoryBroker } from './memory/memory-broker.js';
