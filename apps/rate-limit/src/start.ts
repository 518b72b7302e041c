import { Host, topicsOf, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
import { loadSettings, settingsInvalid, type Environment } from '@countersign/runtime';
import { recordKeys } from '@countersign/stored-secrets';
import { configuredKeys, NEEDS, readIdentifierKey } from './needs.js';
import { RATE_LIMIT_ENTITIES } from './overrides/overrides.store.js';
import { RATE_LIMIT_MESSAGES, RateLimitModule } from './rate-limit.module.js';

/** Starts the rate limiter. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  const hash = await readIdentifierKey(settings);
  const host = await Host.open(NEEDS.name, settings, topicsOf(NEEDS.bus), fatal, replace);
  const database = await host.database(NEEDS.store, settings, RATE_LIMIT_ENTITIES);
  const fault = await recordKeys(database, configuredKeys(hash));
  if (fault !== undefined) {
    await host.close().catch(() => undefined);
    throw settingsInvalid([`${fault.setting} ${fault.rule}`]);
  }
  const [relay, directory, { logger }] = [host.relay(database), await host.directory(), host];
  const module = RateLimitModule.with({ settings, database, relay, directory, hash, logger, fatal });
  const app = await createBusApp(module, {
    broker: host.broker,
    group: 'rate-limit',
    deliveries: new PostgresDeliveries(database),
    messages: RATE_LIMIT_MESSAGES,
    maxInFlight: settings.MAX_IN_FLIGHT,
    logger: new NestLogger(logger),
    onFatal: fatal,
    observe: host.observe,
  });
  host.onClose(() => app.close());
  await app.listen();
  return host.started();
}
