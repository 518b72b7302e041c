import {
  DEAD_LETTERS,
  LimitOverrideRequested,
  LimitRefundRequested,
  LimitRequested,
  LimitResetRequested,
  LimitStateRequested,
  LimitTightenRequested,
  RefusalsCounted,
  TOPICS,
  VerificationRequested,
} from '@countersign/contracts';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { METRICS, NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
import { KeyedHash } from '@countersign/crypto';
import { parseSetting, loadSettings, ServiceError, SteadyClock, type Environment } from '@countersign/runtime';
import { recordKeys, requiredKeys } from '@countersign/stored-secrets';
import { RATE_LIMIT_MIGRATIONS } from '../migrations/index.js';
import { AdmitRequest } from './limits/admit-request.use-case.js';
import { RateLimitSettings } from './rate-limit.settings.js';
import { ForeignKeys, RequiredKeys } from './limits/required-keys.js';
import { ManageLimits } from './overrides/manage-limits.use-case.js';
import { LimiterRefusalCache } from './refusals/refusal-cache.js';
import { LimitRequests } from './limits/limit-request.js';
import { RateLimitModule } from './rate-limit.module.js';
import { RefusalReport } from './refusals/refusal-report.js';
import { DirectoryLimits } from './limits/limit-policies.store.js';
import { OutboxFactLog } from './refusals/fact-log.store.js';
import { HashedLimitKeys } from './limits/limit-keys.store.js';
import { PostgresLimitStore } from './limits/limit.store.js';
import { PostgresOverrideStore } from './overrides/overrides.store.js';
import { AbuseDetector } from './abuse-signals/abuse-detector.js';

const NAME = 'rate-limit';
/** How soon a change by another replica takes effect here, in milliseconds. */
const REFRESH_MS = 1_000;

/** Starts the rate limiter. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(RateLimitSettings, env);
  const hash = await parseSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY));
  const { requests, limitCommands, admissions, directory, facts } = TOPICS;
  const topics = [requests, limitCommands, admissions, directory, facts, DEAD_LETTERS];
  const steady = new SteadyClock();
  const host = await Host.open(NAME, settings, topics, fatal, replace);
  const database = await host.database('rate_limit', RATE_LIMIT_MIGRATIONS, settings);
  const held = [{ setting: 'IDENTIFIER_KEY', keys: hash.checks, names: true }];
  const fault = await recordKeys(database, held);
  if (fault !== undefined) {
    await host.close().catch(() => undefined);
    await parseSetting(fault.setting, () => Promise.reject(new Error(fault.rule)));
  }
  const relay = host.relay(database);
  const wake = (): void => relay.wake();
  const policies = new DirectoryLimits(await host.directory());
  const keys = hash.each.map((one) => ({ keyId: one.keyId, keys: new HashedLimitKeys(one.hash) }));
  const store = new PostgresLimitStore(database);
  const overrides = new PostgresOverrideStore(database, wake);
  const foreign = new ForeignKeys(steady, () =>
    host.logger.error({ setting: 'IDENTIFIER_KEY' }, 'requests are refused: their adapter uses another IDENTIFIER_KEY'),
  );
  const required = new RequiredKeys(
    async () => (await requiredKeys(database, 'IDENTIFIER_KEY')).map(({ keyId }) => keyId),
    steady,
  );
  const limitRequests = new LimitRequests(policies, keys, required, steady, foreign);
  const refusalCache = new LimiterRefusalCache();
  const report = new RefusalReport(new OutboxFactLog(database, wake), steady);
  const manage = new ManageLimits(overrides, store, policies, keys, limitRequests, refusalCache, steady);
  const warn = (what: string) => (error: unknown) => host.logger.warn({ err: error }, what);
  const abuseDetector = new AbuseDetector(report, new HashedLimitKeys(hash), steady, (tenant, seconds) => {
    manage.tighten({ tenant, seconds }).catch(warn('limits could not be tightened'));
  });
  const every = (ms: number, what: string, work: () => Promise<unknown>): void => {
    const timer = setInterval(() => void work().catch(warn(`${what}; will retry`)), ms);
    host.onClose(() => Promise.resolve(clearInterval(timer)));
  };
  const refreshKeys = async (): Promise<void> => {
    const missing = (await required.refresh()).find((id) => !keys.some(({ keyId }) => keyId === id));
    if (missing !== undefined) fatal(keyMissing(missing));
  };
  await refreshKeys();
  await manage.refresh();
  every(REFRESH_MS, 'changed limits could not be read', () => manage.refresh());
  every(REFRESH_MS, 'the required keys could not be read', refreshKeys);
  every(settings.FORGET_SECONDS * 1000, 'old counters could not be removed', async () => {
    await store.purge();
    await overrides.purge();
  });
  every(settings.REPORT_SECONDS * 1000, 'refusals could not be recorded', () => report.flush());
  host.onClose(() => report.flush());
  const hide = METRICS.refusalCacheSize.read(() => [{ labels: { service: NAME }, value: refusalCache.size }]);
  const hideKeys = METRICS.keysMismatched.read(() => [
    { labels: { service: NAME, setting: 'IDENTIFIER_KEY' }, value: foreign.isSeen ? 1 : 0 },
  ]);
  for (const hideOne of [hide, hideKeys]) host.onClose(() => Promise.resolve(hideOne()));

  const admitRequest = new AdmitRequest(
    limitRequests,
    store,
    refusalCache,
    report,
    abuseDetector,
    steady,
    (outcome, dimension, source) => METRICS.limitDecisions.inc({ outcome, dimension, source }),
  );
  const app = await createBusApp(RateLimitModule.with({ admitRequest, manage }), {
    broker: host.broker,
    group: NAME,
    deliveries: new PostgresDeliveries(database),
    messages: [
      VerificationRequested,
      LimitRequested,
      RefusalsCounted,
      LimitOverrideRequested,
      LimitResetRequested,
      LimitStateRequested,
      LimitRefundRequested,
      LimitTightenRequested,
    ],
    maxInFlight: settings.MAX_IN_FLIGHT,
    logger: new NestLogger(host.logger),
    onFatal: fatal,
    observe: host.observe,
  });
  host.onClose(() => app.close());
  await app.listen();
  return host.started();
}

/** Without this key, requests would not be counted under it, and their counters would start at zero when the old key is removed. */
function keyMissing(keyId: string): ServiceError {
  return new ServiceError(
    'SETTINGS_INVALID',
    `IDENTIFIER_KEY must hold the key ${keyId}: countersign keys rekey has made it the one that every service holds`,
    false,
  );
}
