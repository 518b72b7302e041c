import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
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
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const database = await host.database(NEEDS.store, settings);
    const tableNames = await openTableNames(database, keys);
    const [relay, cache] = [host.relay(database), await host.directory()];
    const resources = { settings, host, database, relay, directory: cache, keys, tableNames, replace };
    const app = await host.busApp(VerificationModule.with(resources), database, {
      group: 'verification',
      sign: (text) => keys.receiptKeys.signAnswer(text),
      messages: [...SLOW_MESSAGES, ...FAST_MESSAGES],
      slow: SLOW_MESSAGES,
      maxInFlight: settings.MAX_IN_FLIGHT,
    });
    await app.listen();
    return host.started();
  });
}
