import { type Consumer } from 'kafkajs';
import { brokerUnavailable } from '../../request-reply/bus-errors.js';
import { type BrokerHealth } from '../health.js';

/** Checks within the allowed time of silence. */
const CHECKS_PER_LIMIT = 10;

export interface ConsumerWatchdog {
  readonly health: BrokerHealth;
  /**
   * kafkajs consumers can stop without an error (its issues 659 and 919): longer silence than this is fatal, in
   * milliseconds.
   */
  readonly silenceMs: number;
  /** Whether the cluster can be read from now: during an outage, silence is not the fault of the consumer. */
  readonly reachable: () => Promise<boolean>;
  readonly onFatal: (error: Error) => void;
}

/**
 * Reports a consumer that failed permanently, and updates `health` from the events of others. kafkajs restarts after a
 * crash that it counts as retriable; a consumer that only restarts, or fetches outside a group, counts as silent too.
 * Counts checks instead of milliseconds, so a process that was suspended is not reported when it continues.
 * @returns stops the watchdog; call it before closing the consumer
 */
export function watchConsumer(consumer: Consumer, watch: ConsumerWatchdog): () => void {
  const { health, silenceMs, reachable, onFatal } = watch;
  /** Checks since the last fetch, and since the last heartbeat or join. */
  let [sinceFetch, sinceHeartbeat] = [0, 0];
  let isProbing = false;
  let isEnded = false;
  const fatal = (error: Error): void => {
    if (isEnded) return;
    end();
    onFatal(error);
  };
  const { FETCH_START, HEARTBEAT, GROUP_JOIN, CRASH } = consumer.events;
  const remove = [
    consumer.on(FETCH_START, () => {
      sinceFetch = 0;
    }),
    consumer.on(HEARTBEAT, () => {
      sinceHeartbeat = 0;
      health.succeeded();
    }),
    consumer.on(GROUP_JOIN, () => {
      [sinceFetch, sinceHeartbeat] = [0, 0];
      health.succeeded();
    }),
    consumer.on(CRASH, ({ payload }) => {
      health.failed();
      if (!payload.restart) fatal(brokerUnavailable(`keep a consumer running (${payload.error.name})`, payload.error));
    }),
  ];
  const isSilent = (): boolean => Math.max(sinceFetch, sinceHeartbeat) > CHECKS_PER_LIMIT;
  const probe = async (): Promise<void> => {
    isProbing = true;
    const isReachable = await reachable();
    isProbing = false;
    if (!isReachable) [sinceFetch, sinceHeartbeat] = [0, 0];
    else if (isSilent()) fatal(silenceError(silenceMs, sinceFetch, sinceHeartbeat));
  };
  const watchdog = setInterval(() => {
    sinceFetch++;
    sinceHeartbeat++;
    if (isSilent() && !isProbing) void probe();
  }, silenceMs / CHECKS_PER_LIMIT).unref();
  health.consumerOpened();
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    clearInterval(watchdog);
    for (const listener of remove) listener();
    health.consumerClosed();
  };
  return end;
}

function silenceError(limitMs: number, sinceFetch: number, sinceHeartbeat: number): Error {
  const what = sinceHeartbeat >= sinceFetch ? 'was in no group' : 'fetched nothing';
  return brokerUnavailable(`feed a consumer: the broker answers, but the consumer ${what} for ${limitMs / 1000} s`);
}
