import { type Host } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { SteadyClock } from '@countersign/runtime';
import { type WebhookSender } from '../targets/targets.ports.js';
import { type WebhooksSettings } from '../webhooks.settings.js';
import { DeliverEvent } from './deliver-event.use-case.js';
import { type DeliveryQueues } from './deliveries.ports.js';
import { DeliveryWorker } from './delivery-worker.js';

/** How soon a retry that is due, or an event that another copy has queued, is noticed, in milliseconds. */
const POLL_MS = 1_000;
const PURGE_MS = 600_000;
/** Most deliveries that wait for one webhook, until the next purge. */
const MAX_PENDING_PER_WEBHOOK = 100_000;
/** Between the limit of an attempt and the end of its lease: for the statement that records it. */
const LEASE_MARGIN_SECONDS = 5;

interface DeliveryResources {
  readonly host: Host;
  readonly settings: WebhooksSettings;
  readonly queues: DeliveryQueues;
  readonly sender: WebhookSender;
}

/** Sends what is due until the host closes. */
export function startDeliveries({ host, settings, queues, sender }: DeliveryResources): DeliveryWorker {
  const rules = {
    firstPauseSeconds: settings.WEBHOOK_RETRY_SECONDS,
    maxPauseSeconds: settings.WEBHOOK_MAX_RETRY_SECONDS,
    giveUpSeconds: settings.WEBHOOK_GIVE_UP_SECONDS,
    disableSeconds: settings.WEBHOOK_DISABLE_SECONDS,
  };
  const worker = new DeliveryWorker({
    queues,
    deliver: new DeliverEvent(queues, sender, rules, new SteadyClock()),
    maxInFlight: settings.WEBHOOK_MAX_IN_FLIGHT,
    maxPerUrl: settings.WEBHOOK_MAX_PER_URL,
    leaseSeconds: Math.ceil(settings.WEBHOOK_TIMEOUT_MS / 1000) + LEASE_MARGIN_SECONDS,
    pollMs: POLL_MS,
    onAttempt: ({ tenant, webhook, delivery }, { outcome, result, milliseconds, disables }) => {
      METRICS.webhookAttempts.inc({ outcome });
      METRICS.webhookSeconds.observe(milliseconds / 1000);
      const line = { tenant, webhook, delivery, outcome, result, milliseconds };
      if (disables !== undefined) host.logger.warn({ ...line, reason: disables }, 'a webhook was disabled');
      else host.logger.debug(line, 'a delivery was attempted');
    },
    onError: (error) => host.logger.warn({ err: error }, 'deliveries could not be read or recorded; will retry'),
  });
  worker.start();
  host.onClose(() => worker.close());
  host.every(PURGE_MS, 'old deliveries could not be removed', async () => {
    const dropped = await queues.purge(settings.WEBHOOK_RETENTION_DAYS, MAX_PENDING_PER_WEBHOOK);
    if (dropped > 0) host.logger.warn({ dropped }, 'removed deliveries of webhooks for which too many waited');
  });
  // One query for both metrics, begun by a reader, who then handles its failure.
  let backlog: ReturnType<DeliveryQueues['backlog']> | undefined;
  const hidePending = METRICS.webhooksPending.read(async () => [
    { labels: {}, value: (await (backlog = queues.backlog())).pending },
  ]);
  const hideOldest = METRICS.webhooksOldest.read(async () => [
    { labels: {}, value: (await (backlog ?? queues.backlog())).oldestSeconds },
  ]);
  host.onClose(() => Promise.resolve([hidePending(), hideOldest()]).then(() => undefined));
  return worker;
}
