import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { loadSettings, settingsInvalid, type Environment } from '@countersign/runtime';
import { recordKeys } from '@countersign/stored-secrets';
import { PostgresDeliveryQueues } from './deliveries/delivery-queues.store.js';
import { PostgresEventIntake } from './deliveries/event-intake.store.js';
import { consumeEvents } from './deliveries/consume-events.js';
import { startDeliveries } from './deliveries/start-deliveries.js';
import { configuredKeys, INTAKE_NEEDS, NEEDS, readSettings, secretsFault } from './needs.js';
import { SecretVault } from './subscriptions/secret-vault.js';
import { WebhookStore } from './subscriptions/subscriptions.ports.js';
import { PostgresWebhooksErasure } from './subscriptions/tenant-erasure.store.js';
import { WEBHOOK_MESSAGES } from './subscriptions/webhooks.handler.js';
import { WebhooksModule } from './webhooks.module.js';

/** How often secrets under an old key are encrypted again, in milliseconds. */
const REWRAP_MS = 60_000;

/** What else a test or the all-in-one process decides. */
export interface WebhooksReplacements extends StartReplacements {
  /** `false`: the process runs {@link startEventIntake} itself. */
  readonly eventIntake?: false;
}

/**
 * Starts only the part that queues events. On the in-process bus audit waits until its events are queued, and this service waits
 * until audit has its facts. So in one process the intake closes after audit, and the rest before.
 */
export async function startEventIntake(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  return Host.start(INTAKE_NEEDS, settings, fatal, replace, async (host) => {
    const database = await host.database(NEEDS.store, settings);
    await consumeEvents(host, database, new PostgresEventIntake(database, () => undefined));
    return host.started();
  });
}

/** Starts the webhooks. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: WebhooksReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  const { keyring, sender } = await readSettings(settings);
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const database = await host.database(NEEDS.store, settings);
    const fault = (await secretsFault(database, keyring)) ?? (await recordKeys(database, configuredKeys(keyring)));
    if (fault !== undefined) throw settingsInvalid([`${fault.setting} ${fault.rule}`]);
    const vault = new SecretVault(keyring);
    const [relay, directory] = [host.relay(database), await host.directory()];
    const queues = new PostgresDeliveryQueues(database, relay, vault);
    const worker = startDeliveries({ host, settings, sender, queues });
    const onDue = (): void => worker.wake();
    const module = WebhooksModule.with({ database, relay, vault, sender, directory, onDue });
    const app = await host.busApp(module, database, { group: 'webhooks', messages: WEBHOOK_MESSAGES });
    const rewrap = (): Promise<unknown> => app.get(WebhookStore).rewrap();
    const erasure = new PostgresWebhooksErasure(database);
    host.eraseTenants('webhooks', directory, (deletion) => erasure.erase(deletion));
    host.purgeInbox(database, settings);
    host.every(REWRAP_MS, 'secrets could not be encrypted under the first key', rewrap);
    await app.listen();
    const intake = new PostgresEventIntake(database, onDue);
    if (replace.eventIntake !== false) await consumeEvents(host, database, intake);
    return host.started();
  });
}
