import { type WebhooksSettings } from '../webhooks.settings.js';
import { parseNetworks } from './addresses.js';
import { HttpWebhookSender } from './http-sender.js';
import { dnsResolverOf } from './resolve-host.js';

/** The sender that the settings describe. */
export function openSender(settings: WebhooksSettings): HttpWebhookSender {
  const { WEBHOOK_ALLOW_HTTP, WEBHOOK_ALLOWED_NETWORKS, WEBHOOK_DNS_SERVERS, WEBHOOK_TIMEOUT_MS } = settings;
  const targets = { allowsHttp: WEBHOOK_ALLOW_HTTP, allowedNetworks: parseNetworks(WEBHOOK_ALLOWED_NETWORKS) };
  return new HttpWebhookSender(targets, dnsResolverOf(WEBHOOK_DNS_SERVERS, WEBHOOK_TIMEOUT_MS), WEBHOOK_TIMEOUT_MS);
}
