import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { loadSettings, settingsInvalid, type Environment } from '@countersign/runtime';
import { recordKeys } from '@countersign/stored-secrets';
import { configuredKeys, NEEDS, readIdentifierKey } from './needs.js';
import { OverrideStore } from './overrides/overrides.ports.js';
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
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const database = await host.database(NEEDS.store, settings, RATE_LIMIT_ENTITIES);
    const fault = await recordKeys(database, configuredKeys(hash));
    if (fault !== undefined) throw settingsInvalid([`${fault.setting} ${fault.rule}`]);
    const [relay, directory, { logger }] = [host.relay(database), await host.directory(), host];
    const module = RateLimitModule.with({ settings, database, relay, directory, hash, logger, fatal });
    const app = await host.busApp(module, database, {
      group: 'rate-limit',
      messages: RATE_LIMIT_MESSAGES,
      maxInFlight: settings.MAX_IN_FLIGHT,
    });
    host.eraseTenants('rate-limit', directory, ({ tenant }) => app.get(OverrideStore).eraseTenant(tenant));
    await app.listen();
    return host.started();
  });
}
