import { type Host } from '@countersign/hosting';
import { register } from 'prom-client';
import { type WebhookSender } from '../targets/targets.ports.js';
import { WebhooksSettings } from '../webhooks.settings.js';
import { DeliveryQueues } from './deliveries.ports.js';
import { startDeliveries } from './start-deliveries.js';

/** The queues while the database is down. */
class UnavailableQueues extends DeliveryQueues {
  reads = 0;
  override due = (): Promise<never> => this.#fail();
  override lease = (): Promise<never> => this.#fail();
  override complete = (): Promise<never> => this.#fail();
  override purge = (): Promise<never> => this.#fail();
  override backlog = (): Promise<never> => {
    this.reads += 1;
    return this.#fail();
  };
  #fail(): Promise<never> {
    return Promise.reject(new Error('the database is down'));
  }
}

it('begins no query of the backlog that nothing awaits, because its failure would end the process', async () => {
  const queues = new UnavailableQueues();
  const closers: (() => Promise<unknown>)[] = [];
  const host = {
    ...{ logger: { warn: () => undefined, debug: () => undefined }, every: () => undefined },
    onClose: (close: () => Promise<unknown>) => closers.push(close),
  } as unknown as Host;
  startDeliveries({ host, settings: new WebhooksSettings(), queues, sender: {} as WebhookSender });
  expect(queues.reads).toBe(0);
  await register.metrics();
  expect(queues.reads).toBe(1);
  for (const close of closers) await close();
});
