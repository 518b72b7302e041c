import { parseSetting } from '@countersign/runtime';
import { type WebhooksSettings } from '../webhooks.settings.js';
import { parseNetworks } from './addresses.js';
import { HttpWebhookSender } from './http-sender.js';
import { HostResolver } from './resolve-host.js';

/** The sender that the settings describe. @throws ServiceError SETTINGS_INVALID */
export async function openSender(settings: WebhooksSettings): Promise<HttpWebhookSender> {
  const { WEBHOOK_ALLOW_HTTP, WEBHOOK_ALLOWED_NETWORKS, WEBHOOK_DNS_SERVERS, WEBHOOK_TIMEOUT_MS } = settings;
  const allowedNetworks = await parseSetting('WEBHOOK_ALLOWED_NETWORKS', () => parseNetworks(WEBHOOK_ALLOWED_NETWORKS));
  const resolver = await parseSetting('WEBHOOK_DNS_SERVERS', () =>
    openResolver(WEBHOOK_DNS_SERVERS, WEBHOOK_TIMEOUT_MS),
  );
  return new HttpWebhookSender({ allowsHttp: WEBHOOK_ALLOW_HTTP, allowedNetworks }, resolver, WEBHOOK_TIMEOUT_MS);
}

function openResolver(text: string, timeoutMs: number): HostResolver {
  try {
    return new HostResolver(
      text
        .split(',')
        .map((server) => server.trim())
        .filter((server) => server !== ''),
      timeoutMs,
    );
  } catch {
    throw new Error('must be addresses of DNS servers, with commas between them');
  }
}
