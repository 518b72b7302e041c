import { DecryptionError, type Keyring, type WrappedValue } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { type WrappedColumn } from '@countersign/stored-secrets';
import { type SigningSecret } from './signing-secrets.decision.js';
import { type WebhookRecord } from './subscriptions.ports.js';

/** The fields of a webhook that decide who gets which events. */
export type BoundWebhook = Pick<WebhookRecord, 'tenant' | 'webhook' | 'url' | 'eventTypes'>;

/** What the secrets of a webhook are bound to: with an edited or swapped row nothing can be signed. */
export function secretContext({ tenant, webhook, url, eventTypes }: BoundWebhook): string[] {
  return ['webhook', tenant, webhook, url, ...eventTypes];
}

/** The encrypted column of this service, for the check of its keyring. */
export const WEBHOOK_SECRETS: WrappedColumn = {
  name: 'webhook secrets',
  table: 'webhooks.webhooks',
  primaryKey: { webhook: 'uuid' },
  keyIdColumn: 'key_id',
  bytesColumn: 'secrets',
  alsoBoundTo: { tenant: 'tenant', url: 'url', event_types: 'event_types' },
  context: (row) =>
    secretContext({
      tenant: String(row['tenant']),
      webhook: String(row['webhook']),
      url: String(row['url']),
      eventTypes: row['event_types'] as string[],
    }),
};

/** Encrypts and decrypts the secrets of webhooks. */
export class SecretVault {
  constructor(private readonly keyring: Keyring) {}

  /** The key that encrypts. */
  get keyId(): string {
    return this.keyring.first;
  }

  wrap(secrets: readonly SigningSecret[], webhook: BoundWebhook): WrappedValue {
    return this.keyring.wrap(JSON.stringify(secrets), secretContext(webhook));
  }

  /** @throws ServiceError CREDENTIAL_BROKEN when a key is missing or the row was altered */
  unwrap(wrapped: WrappedValue, webhook: BoundWebhook): SigningSecret[] {
    try {
      const stored = JSON.parse(this.keyring.unwrap(wrapped, secretContext(webhook))) as {
        value: string;
        until: string | null;
      }[];
      return stored.map(({ value, until }) => ({ value, until: until === null ? null : new Date(until) }));
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error;
      throw new ServiceError(
        'CREDENTIAL_BROKEN',
        `the secrets of the webhook ${webhook.webhook} cannot be decrypted`,
        false,
      );
    }
  }
}
