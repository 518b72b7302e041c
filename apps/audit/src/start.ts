import { apiServerOptions, readAdminKey } from '@countersign/api';
import { DeadLettered, FACT_KINDS, FactRecorded } from '@countersign/contracts';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { HttpServer } from '@countersign/http';
import { METRICS } from '@countersign/observability';
import { loadSettings, type Environment } from '@countersign/runtime';
import { AuditApiModule } from './audit-api.module.js';
import { NEEDS } from './needs.js';
import { PostgresAuditTrail } from './trail/audit-trail.store.js';
import { RecordFact } from './trail/record-fact.use-case.js';
import { DeadLettersModule, FactsModule } from './trail/trail.module.js';

/**
 * Starts the audit service.
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE; an Error of the system when a port is taken
 */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  const adminKey = await readAdminKey(settings);
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const database = await host.database(NEEDS.store, settings);
    // Prometheus sees the first event as an increase only if the counter was 0 before it.
    for (const kind of FACT_KINDS) METRICS.events.inc({ kind }, 0);
    const deadLetters = await host.busApp(DeadLettersModule.with(database, settings.OCSF_VERSION), database, {
      group: 'audit-letters',
      messages: [DeadLettered],
    });
    const facts = await host.busApp(FactsModule.with(database, settings.OCSF_VERSION), database, {
      group: 'audit',
      messages: [FactRecorded],
      maxInFlight: settings.MAX_IN_FLIGHT,
    });
    await Promise.all([deadLetters.listen(), facts.listen()]);
    const clientKeys = await host.directory();
    const own = new RecordFact(new PostgresAuditTrail(database), settings.OCSF_VERSION);
    const recordFacts = async (ownFacts: readonly FactRecorded[]): Promise<void> =>
      host.broker.send(await Promise.all(ownFacts.map((fact) => own.record(fact))));
    const module = AuditApiModule.with({ adminKey, host, clientKeys, recordFacts });
    const server = await HttpServer.start(module, apiServerOptions(host, { port: settings.AUDIT_PORT }));
    host.onClose(() => server.close());
    return host.started({ audit: server.url });
  });
}
