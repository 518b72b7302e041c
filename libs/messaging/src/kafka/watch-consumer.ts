import { type Consumer } from 'kafkajs';
import { brokerUnavailable } from '../bus-errors.js';
import { type Health } from './health.js';

/** kafkajs consumers can stop without a word (its issues 659 and 919): silence beyond this is the end. */
const STALLED_MS = 60_000;

/**
 * Reports a consumer that broke for good, and tells `health` what the others learn. kafkajs itself begins anew after a
 * crash that can pass.
 * @returns ends the watch; call it before the consumer is closed
 */
export function watchConsumer(consumer: Consumer, health: Health, onFatal: (error: Error) => void): () => void {
  let lastSign = Date.now();
  let over = false;
  const fatal = (error: Error): void => {
    if (over) return;
    end();
    onFatal(error);
  };
  const { FETCH_START, HEARTBEAT, GROUP_JOIN, CRASH } = consumer.events;
  const remove = [
    consumer.on(FETCH_START, () => {
      lastSign = Date.now();
    }),
    consumer.on(HEARTBEAT, () => health.succeeded()),
    consumer.on(GROUP_JOIN, () => {
      lastSign = Date.now();
      health.succeeded();
    }),
    consumer.on(CRASH, ({ payload }) => {
      lastSign = Date.now();
      health.failed();
      if (!payload.restart) fatal(brokerUnavailable('keep a consumer running', payload.error));
    }),
  ];
  const watchdog = setInterval(() => {
    if (Date.now() - lastSign > STALLED_MS) fatal(brokerUnavailable('be read from for a minute; restart this process'));
  }, STALLED_MS / 10).unref();
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
