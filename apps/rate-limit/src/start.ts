import { DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
import { parseSetting, loadSettings, type Environment } from '@countersign/runtime';
import { recordKeys } from '@countersign/stored-secrets';
import { RATE_LIMIT_MIGRATIONS } from '../migrations/index.js';
import { RATE_LIMIT_ENTITIES } from './overrides/overrides.store.js';
import { RATE_LIMIT_MESSAGES, RateLimitModule } from './rate-limit.module.js';
import { RateLimitSettings } from './rate-limit.settings.js';

/** Starts the rate limiter. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(RateLimitSettings, env);
  const hash = await parseSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY));
  const { requests, limitCommands, admissions, directory: directoryTopic, facts } = TOPICS;
  const topics = [requests, limitCommands, admissions, directoryTopic, facts, DEAD_LETTERS];
  const host = await Host.open('rate-limit', settings, topics, fatal, replace);
  const database = await host.database('rate_limit', RATE_LIMIT_MIGRATIONS, settings, RATE_LIMIT_ENTITIES);
  const fault = await recordKeys(database, [{ setting: 'IDENTIFIER_KEY', keys: hash.checks, names: true }]);
  if (fault !== undefined) {
    await host.close().catch(() => undefined);
    await parseSetting(fault.setting, () => Promise.reject(new Error(fault.rule)));
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
