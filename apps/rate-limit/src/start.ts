import { DEAD_LETTERS, TOPICS, VerificationRequested } from '@countersign/contracts';
import { Host, type Fatal, type HostedService, type Replacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
import { loadSettings, type Environment } from '@countersign/service';
import { RateLimit1764000000002 } from '../migrations/1764000000002-rate-limit.js';
import { RateLimitDeliveries1764000100002 } from '../migrations/1764000100002-deliveries.js';
import { RateLimitSettings } from './config.js';
import { RateLimitModule } from './rate-limit.module.js';
import { DirectoryLimits } from './store/directory.policies.js';
import { PostgresLimitStore } from './store/limit.store.js';

/** Starts the rate limiter. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(env: Environment, fatal: Fatal, replace: Replacements = {}): Promise<HostedService> {
  const settings = loadSettings(RateLimitSettings, env);
  const topics = [TOPICS.requests, TOPICS.admissions, TOPICS.directory, TOPICS.facts, DEAD_LETTERS];
  const host = await Host.open('rate-limit', settings, topics, fatal, replace);
  const database = await host.database(
    'rate_limit',
    [RateLimit1764000000002, RateLimitDeliveries1764000100002],
    settings,
  );
  const relay = host.relay(database);
  const store = new PostgresLimitStore(database, () => relay.wake());
  const forgetting = setInterval(() => void store.forget().catch(() => undefined), settings.FORGET_SECONDS * 1000);
  host.onClose(() => Promise.resolve(clearInterval(forgetting)));
  const app = await createBusApp(
    RateLimitModule.with({ store, policies: new DirectoryLimits(await host.directory()) }),
    {
      broker: host.broker,
      group: 'rate-limit',
      deliveries: new PostgresDeliveries(database),
      messages: [VerificationRequested],
      maxInFlight: settings.MAX_IN_FLIGHT,
      logger: new NestLogger(host.logger),
      onFatal: fatal,
      observe: host.observe,
    },
  );
  host.onClose(() => app.close());
  await app.listen();
  return host.started();
}
