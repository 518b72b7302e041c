import { apiServerOptions } from '@countersign/api';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { HttpServer, type ServedRoute } from '@countersign/http';
import { loadSettings, type Environment } from '@countersign/runtime';
import { KeyComparison } from '@countersign/verification-client';
import { type FastifyInstance } from 'fastify';
import { addFormParser } from './http/form-bodies.js';
import { addNdjsonParser } from './http/ndjson.js';
import { NEEDS, readRestKeys } from './needs.js';
import { RestAdapterModule } from './rest-adapter.module.js';
import { originsOf, processesOf } from './rest-adapter.settings.js';

export interface RestAdapter extends HostedService {
  /** Every route that is served. */
  readonly routes: readonly ServedRoute[];
}

function addBodyParsers(server: FastifyInstance): void {
  addNdjsonParser(server);
  addFormParser(server);
}

/**
 * Starts the REST adapter. It opens its port once it can answer requests.
 * @param fatal is called on a fault that only a restart can fix
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE; an Error of the system when a port is taken
 */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<RestAdapter> {
  const settings = loadSettings(NEEDS.settings, env);
  const { keys, adminKey, provider } = await readRestKeys(settings);
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const bus = await host.client(keys.receiptKeys);
    await KeyComparison.begin(host, bus, keys.checks, fatal);
    const clientKeys = await host.directory();
    const listed = processesOf(settings);
    const processes = (): ReadonlyMap<string, string> => {
      const own = replace.opsUrl?.();
      return own === undefined ? listed : new Map([...listed, ['countersign', own]]);
    };
    const module = RestAdapterModule.with({ settings, adminKey, keys, provider, host, bus, clientKeys, processes });
    const own = { port: settings.REST_PORT, corsOrigins: originsOf(settings), addBodyParsers };
    const server = await HttpServer.start(module, apiServerOptions(host, own));
    host.onClose(() => server.close());
    return { ...(await host.started({ rest: server.url })), routes: server.routes };
  });
}
