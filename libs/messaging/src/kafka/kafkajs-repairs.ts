import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

interface ConsumerGroup {
  heartbeat(options: unknown): Promise<void>;
}

/** A class of kafkajs that is not part of its API. */
type Internal<T> = { readonly prototype?: Partial<T> };

/** What a connection to a coordinator that died ends with; kafkajs knows these by name only. */
const LOST = new Set(['KafkaJSConnectionError', 'KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError']);

const load = createRequire(import.meta.url);
let done = false;

/**
 * Repairs two faults of kafkajs 2.2.4, which gets no new versions, at its classes. Each repair does nothing when the
 * library looks different from what it was.
 */
export function repairKafkajs(): void {
  if (done) return;
  done = true;
  stopIdleTimer(load('kafkajs/src/network/requestQueue/index.js') as Internal<RequestQueue>);
  followCoordinator(load('kafkajs/src/consumer/consumerGroup.js') as Internal<ConsumerGroup>);
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
      if (!(error instanceof Error) || !LOST.has(error.name)) throw error;
      throw Object.assign(new Error('the group coordinator is gone', { cause: error }), {
        type: 'NOT_COORDINATOR_FOR_GROUP',
        retriable: true,
      });
    }
  };
}
