import { createRequire } from 'node:module';
import { decodeRecord, encodeRecord } from './producer/fast-records.js';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

type Attempt = (bail: (error: Error) => void, retryCount: number, retryTime: number) => Promise<unknown>;

interface Runner {
  onCrash: (error: Error) => Promise<void>;
  retrier: (attempt: Attempt) => Promise<unknown>;
  start(): Promise<void>;
}

interface ConsumerGroup {
  heartbeat(options: unknown): Promise<void>;
  joinAndSync(): Promise<void>;
  recoverFromOffsetOutOfRange(error: unknown): Promise<void>;
}

/** A class of kafkajs that is not part of its API. */
type Internal<T> = { readonly prototype?: Partial<T> };

/** Errors of a lost connection; kafkajs identifies them by name only. */
const CONNECTION_LOSS_ERRORS = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
]);

const REJOIN_AFTER_MS = 250;

const load = createRequire(import.meta.url);
let isPatched = false;

/**
 * Repairs faults of kafkajs 2.2.4, which is no longer maintained, in its classes. A repair does nothing when the
 * library does not have the expected shape.
 */
export function patchKafkajs(): void {
  if (isPatched) return;
  isPatched = true;
  stopIdleTimer(load('kafkajs/src/network/requestQueue/index.js') as Internal<RequestQueue>);
  const consumerGroup = load('kafkajs/src/consumer/consumerGroup.js') as Internal<ConsumerGroup>;
  rediscoverCoordinator(consumerGroup);
  rejoinOnOffsetOutOfRange(consumerGroup);
  retryOutages(load('kafkajs/src/consumer/runner.js') as Internal<Runner>);
  replaceModule('kafkajs/src/protocol/recordBatch/record/v0/index.js', encodeRecord);
  replaceModule('kafkajs/src/protocol/recordBatch/record/v0/decoder.js', decodeRecord);
}

/** kafkajs loads the modules of a protocol version on first use and then finds the replacement in the module cache. */
function replaceModule(name: string, value: unknown): void {
  load(name);
  const module = load.cache[load.resolve(name)];
  if (module !== undefined) module.exports = value;
}

/**
 * With an empty queue kafkajs sets a timer with a negative delay, which runs every millisecond on every connection (its
 * issue 1751): 5 % of a processor per idle process. Without pending requests there is nothing to check.
 */
function stopIdleTimer({ prototype }: Internal<RequestQueue>): void {
  const original = prototype?.scheduleCheckPendingRequests;
  if (prototype === undefined || original === undefined) return;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) original.call(this);
  };
}

/**
 * When a group coordinator dies, a kafkajs consumer sends heartbeats to it until its retries are used up. Then it joins
 * as a new member, and the group waits until the old session ends. With NOT_COORDINATOR_FOR_GROUP it looks up the new
 * coordinator and joins again as the same member.
 */
function rediscoverCoordinator({ prototype }: Internal<ConsumerGroup>): void {
  const original = prototype?.heartbeat;
  if (prototype === undefined || original === undefined) return;
  prototype.heartbeat = async function (this: ConsumerGroup, options: unknown): Promise<void> {
    try {
      await original.call(this, options);
    } catch (error) {
      if (!isConnectionLost(error)) throw error;
      throw retriable('the group coordinator cannot be reached', error, { type: 'NOT_COORDINATOR_FOR_GROUP' });
    }
  };
}

/**
 * When the log does not hold the next offset, kafkajs commits the beginning of the log and continues there without an
 * error. This joins again instead, so `PartitionOpener` checks the offsets. A consumer that commits nothing starts at
 * the beginning.
 */
function rejoinOnOffsetOutOfRange({ prototype }: Internal<ConsumerGroup>): void {
  if (prototype?.recoverFromOffsetOutOfRange === undefined) return;
  prototype.recoverFromOffsetOutOfRange = async function (this: ConsumerGroup): Promise<void> {
    // The state can last: a new leader can lag for some seconds.
    await new Promise((resolve) => setTimeout(resolve, REJOIN_AFTER_MS));
    await this.joinAndSync();
  };
}

/**
 * kafkajs counts an error as permanent when the few retries of a connection are used up, so a consumer leaves its group
 * 0.2 s into a failover. The retries of the consumer itself must apply instead. The same holds for a group without a
 * coordinator (the first group of a new cluster waits for the offsets topic) and for other errors of an outage
 * (`isTransient`): a service survives every outage of its broker.
 */
function retryOutages({ prototype }: Internal<Runner>): void {
  const original = prototype?.start;
  if (prototype === undefined || original === undefined) return;
  prototype.start = function (this: Runner): Promise<void> {
    const { retrier, onCrash } = this;
    this.onCrash = (error) => {
      // kafkajs decides whether to restart by the root of the causes.
      const root = rootOf(error);
      if (isTransient(root)) Object.assign(root, { retriable: true });
      return onCrash(error);
    };
    this.retrier = (attempt) =>
      retrier((bail, retryCount, retryTime) =>
        attempt(bail, retryCount, retryTime).catch((error: unknown) => {
          throw isConnectionLost(error) ? retriable('the connection is lost', error) : error;
        }),
      );
    return original.call(this);
  };
}

/**
 * Whether a crash ends with the outage that caused it, although kafkajs counts it as permanent: no coordinator yet, or
 * a request or second connection attempt on a connection that was lost while it was opened.
 */
function isTransient(root: Error): boolean {
  return (
    root.name === 'KafkaJSGroupCoordinatorNotFound' ||
    root.name === 'KafkaJSLockTimeout' ||
    root.message === 'Broker not connected'
  );
}

function rootOf(error: Error): Error {
  let root = error;
  for (let depth = 0; root.cause instanceof Error && depth < 10; depth++) root = root.cause;
  return root;
}

/** Whether the root of an error is a broken connection. */
export function isConnectionLost(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth++) {
    if (CONNECTION_LOSS_ERRORS.has(at.name)) return true;
  }
  return false;
}

const retriable = (message: string, cause: unknown, fields: object = {}): Error =>
  Object.assign(new Error(message, { cause }), { retriable: true, ...fields });
