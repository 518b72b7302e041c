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

/** What a connection to a coordinator that died ends with; kafkajs knows these by name only. */
const LOST = new Set(['KafkaJSConnectionError', 'KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError']);

const REJOIN_AFTER_MS = 250;

const load = createRequire(import.meta.url);
let done = false;

/**
 * Repairs faults of kafkajs 2.2.4, which gets no new versions, at its classes. Each repair does nothing when the
 * library looks different from what it was.
 */
export function patchKafkajs(): void {
  if (done) return;
  done = true;
  stopIdleTimer(load('kafkajs/src/network/requestQueue/index.js') as Internal<RequestQueue>);
  const consumerGroup = load('kafkajs/src/consumer/consumerGroup.js') as Internal<ConsumerGroup>;
  followCoordinator(consumerGroup);
  neverJump(consumerGroup);
  keepTrying(load('kafkajs/src/consumer/runner.js') as Internal<Runner>);
  replaceModule('kafkajs/src/protocol/recordBatch/record/v0/index.js', encodeRecord);
  replaceModule('kafkajs/src/protocol/recordBatch/record/v0/decoder.js', decodeRecord);
}

/** kafkajs loads the modules of a protocol version when it first speaks it, and then finds this one in their place. */
function replaceModule(name: string, value: unknown): void {
  load(name);
  const module = load.cache[load.resolve(name)];
  if (module !== undefined) module.exports = value;
}

/**
 * With an empty queue it asks for a timer of a negative time, which is one of 1 ms, for ever, on every connection (its
 * issue 1751): 5 % of a processor per idle process. With nothing pending there is nothing to check.
 */
function stopIdleTimer({ prototype }: Internal<RequestQueue>): void {
  const original = prototype?.scheduleCheckPendingRequests;
  if (prototype === undefined || original === undefined) return;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) original.call(this);
  };
}

/**
 * A consumer whose group coordinator died goes on sending heartbeats to it, with one fetch between two tries, until its
 * retries are spent; then it joins as another member, and the group waits until the session of the old one ends. Told
 * that the coordinator has moved, it asks who it is now and joins again as the one it was.
 */
function followCoordinator({ prototype }: Internal<ConsumerGroup>): void {
  const original = prototype?.heartbeat;
  if (prototype === undefined || original === undefined) return;
  prototype.heartbeat = async function (this: ConsumerGroup, options: unknown): Promise<void> {
    try {
      await original.call(this, options);
    } catch (error) {
      if (!isConnectionLost(error)) throw error;
      throw retriable('the group coordinator is gone', error, { type: 'NOT_COORDINATOR_FOR_GROUP' });
    }
  };
}

/**
 * When the log does not hold the offset that is next, it commits the beginning of the log and goes on there without a
 * word. Joining anew instead has the offsets looked at (`PartitionOpener`); who commits none begins at the beginning.
 */
function neverJump({ prototype }: Internal<ConsumerGroup>): void {
  if (prototype?.recoverFromOffsetOutOfRange === undefined) return;
  prototype.recoverFromOffsetOutOfRange = async function (this: ConsumerGroup): Promise<void> {
    // It may last: a new leader can lag behind for some seconds.
    await new Promise((resolve) => setTimeout(resolve, REJOIN_AFTER_MS));
    await this.joinAndSync();
  };
}

/**
 * The few tries of a connection, once spent, count as an error that never passes, and the consumer gives up its place in
 * the group after 0.2 s of a failover. The consumer's own tries are meant for that. So it is with a group that has no
 * coordinator yet: the first group of a new cluster waits until the cluster has made its topic of offsets. And so with what
 * else an outage leads to (`passes`): a service outlives every outage of its broker.
 */
function keepTrying({ prototype }: Internal<Runner>): void {
  const original = prototype?.start;
  if (prototype === undefined || original === undefined) return;
  prototype.start = function (this: Runner): Promise<void> {
    const { retrier, onCrash } = this;
    this.onCrash = (error) => {
      // Whether to begin anew is asked of the root of the causes.
      const root = rootOf(error);
      if (passes(root)) Object.assign(root, { retriable: true });
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
 * Whether a crash ends with the outage that caused it, though kafkajs counts it as final: no coordinator yet, and a
 * request or a second connection attempt beside a connection that was lost while it was made.
 */
function passes(root: Error): boolean {
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
    if (LOST.has(at.name)) return true;
  }
  return false;
}

const retriable = (message: string, cause: unknown, fields: object = {}): Error =>
  Object.assign(new Error(message, { cause }), { retriable: true, ...fields });
