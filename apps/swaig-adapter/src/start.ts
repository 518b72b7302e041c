import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { HttpServer } from '@countersign/http';
import { loadSettings, type Environment } from '@countersign/runtime';
import { KeyComparison } from '@countersign/verification-client';
import { SWAIG_HTTP } from './http/swaig-request-hooks.js';
import { NEEDS, readSwaigKeys } from './needs.js';
import { SwaigAdapterModule } from './swaig-adapter.module.js';

/**
 * Starts the SWAIG adapter. It opens its port once it can answer requests.
 * @param fatal is called on a fault that only a restart can fix
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE; an Error of the system when a port is taken
 */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  const { keys, captureKey } = await readSwaigKeys(settings);
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const bus = await host.client(keys.receiptKeys);
    const checks = [...keys.checks, { setting: 'CAPTURE_TOKEN_KEY', keys: captureKey.checks }];
    await KeyComparison.begin(host, bus, checks, fatal);
    const directory = await host.directory();
    const server = await HttpServer.start(
      SwaigAdapterModule.with({ settings, host, bus, directory, keys, captureKey }),
      {
        listener: host.listener,
        port: settings.SWAIG_PORT,
        logger: host.logger,
        tracer: host.tracer,
        ...SWAIG_HTTP,
      },
    );
    host.onClose(() => server.close());
    return await host.started({ swaig: server.url });
  });
}
