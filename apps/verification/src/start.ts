import { Host, topicsOf, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
import { loadSettings, type Environment } from '@countersign/runtime';
import { type PinVault } from './credentials/credentials.ports.js';
import { openTableNames, readKeys } from './integrity/open-keys.js';
import { NEEDS } from './needs.js';
import { FAST_MESSAGES, SLOW_MESSAGES, VerificationModule } from './verification.module.js';

/** `vault`: another way to hash, for measurements of everything but the hash. No setting reaches it. */
export interface VerificationReplacements extends StartReplacements {
  readonly vault?: PinVault;
}

/** Starts the verification service. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: VerificationReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  const keys = await readKeys(settings);
  const host = await Host.open(NEEDS.name, settings, topicsOf(NEEDS.bus), fatal, replace);
  const database = await host.database(NEEDS.store, settings);
  const tableNames = await host.orClose(openTableNames(database, keys));
  const [relay, cache] = [host.relay(database), await host.directory()];
  const resources = { settings, host, database, relay, directory: cache, keys, tableNames, replace };
  const app = await createBusApp(VerificationModule.with(resources), {
    broker: host.broker,
    group: 'verification',
    deliveries: new PostgresDeliveries(database),
    sign: (text) => keys.receiptKeys.signAnswer(text),
    messages: [...SLOW_MESSAGES, ...FAST_MESSAGES],
    slow: SLOW_MESSAGES,
    maxInFlight: settings.MAX_IN_FLIGHT,
    logger: new NestLogger(host.logger),
    onFatal: fatal,
    observe: host.observe,
  });
  host.onClose(() => app.close());
  await app.listen();
  return host.started();
}
