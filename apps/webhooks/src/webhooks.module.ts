import { Module, type DynamicModule } from '@nestjs/common';
import { PayloadSealer } from '@countersign/crypto';
import { DirectoryCache } from '@countersign/directory-cache';
import { Database, OutboxRelay } from '@countersign/persistence';
import { Clock, SystemClock } from '@countersign/runtime';
import { ManageDeliveries } from './subscriptions/manage-deliveries.use-case.js';
import { ManageWebhooks } from './subscriptions/manage-webhooks.use-case.js';
import { type SecretVault } from './subscriptions/secret-vault.js';
import { KnownTenants, SecretReplies, WebhookStore } from './subscriptions/subscriptions.ports.js';
import { WebhooksHandler } from './subscriptions/webhooks.handler.js';
import { PostgresWebhookStore } from './subscriptions/webhooks.store.js';
import { WebhookSender } from './targets/targets.ports.js';

/** What start.ts opens. */
export interface WebhooksResources {
  readonly database: Database;
  readonly relay: OutboxRelay;
  readonly vault: SecretVault;
  readonly sender: WebhookSender;
  readonly directory: DirectoryCache;
  /** Called when a delivery became due. */
  readonly onDue: () => void;
}

/** Handles the commands. */
@Module({ controllers: [WebhooksHandler], providers: [ManageWebhooks, ManageDeliveries] })
export class WebhooksModule {
  static with({ database, relay, vault, sender, directory, onDue }: WebhooksResources): DynamicModule {
    return {
      module: WebhooksModule,
      providers: [
        { provide: WebhookStore, useFactory: () => new PostgresWebhookStore(database, relay, vault, onDue) },
        { provide: WebhookSender, useValue: sender },
        { provide: KnownTenants, useValue: { find: (tenant: string) => directory.tenant(tenant) } },
        { provide: SecretReplies, useValue: { seal: sealReply } },
        { provide: Clock, useClass: SystemClock },
      ],
      exports: [WebhookStore],
    };
  }
}

async function sealReply(secret: string, replyKeys: string, commandId: string): Promise<string> {
  const sealer = await PayloadSealer.fromKeySet(replyKeys);
  return sealer.seal({ secret }, commandId);
}
