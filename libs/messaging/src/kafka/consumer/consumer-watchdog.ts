import { type Consumer } from 'kafkajs';
import { brokerUnavailable } from '../../request-reply/bus-errors.js';
import { type BrokerHealth } from '../health.js';

/** Looks within the time of silence that is allowed. */
const LOOKS = 10;

export interface ConsumerWatchdog {
  readonly health: BrokerHealth;
  /** kafkajs consumers can stop without a word (its issues 659 and 919): silence beyond this is the end, in milliseconds. */
  readonly silenceMs: number;
  /** Whether the cluster could be read from now: while it is away, silence is no fault of the consumer. */
  readonly reachable: () => Promise<boolean>;
  readonly onFatal: (error: Error) => void;
}

/**
 * Reports a consumer that broke for good, and tells `health` what the others learn. kafkajs itself begins anew after a
 * crash that can pass; a consumer that only does that, or fetches and is in no group, is silent too. Looks are counted
 * and not milliseconds, so that a process which was stopped for a while is not broken when it goes on.
 * @returns ends the watch; call it before the consumer is closed
 */
export function watchConsumer(consumer: Consumer, watch: ConsumerWatchdog): () => void {
  const { health, silenceMs, reachable, onFatal } = watch;
  /** Looks since the last fetch, and since the group last knew this member. */
  let [fetch, member] = [0, 0];
  let asking = false;
  let over = false;
  const fatal = (error: Error): void => {
    if (over) return;
    end();
    onFatal(error);
  };
  const { FETCH_START, HEARTBEAT, GROUP_JOIN, CRASH } = consumer.events;
  const remove = [
    consumer.on(FETCH_START, () => {
      fetch = 0;
    }),
    consumer.on(HEARTBEAT, () => {
      member = 0;
      health.succeeded();
    }),
    consumer.on(GROUP_JOIN, () => {
      [fetch, member] = [0, 0];
      health.succeeded();
    }),
    consumer.on(CRASH, ({ payload }) => {
      health.failed();
      if (!payload.restart) fatal(brokerUnavailable(`keep a consumer running (${payload.error.name})`, payload.error));
    }),
  ];
  const silent = (): boolean => Math.max(fetch, member) > LOOKS;
  const ask = async (): Promise<void> => {
    asking = true;
    const there = await reachable();
    asking = false;
    if (!there) [fetch, member] = [0, 0];
    else if (silent()) fatal(silence(silenceMs, fetch, member));
  };
  const watchdog = setInterval(() => {
    fetch++;
    member++;
    if (silent() && !asking) void ask();
  }, silenceMs / LOOKS).unref();
  health.consumerOpened();
  const end = (): void => {
    if (over) return;
    over = true;
    clearInterval(watchdog);
    for (const listener of remove) listener();
    health.consumerClosed();
  };
  return end;
}

function silence(limitMs: number, fetch: number, member: number): Error {
  const what = member >= fetch ? 'was in no group' : 'fetched nothing';
  return brokerUnavailable(`be consumed from: the broker answers, but the consumer ${what} for ${limitMs / 1000} s`);
}
