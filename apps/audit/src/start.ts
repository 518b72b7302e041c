import { DeadLettered, FACT_KINDS, FactRecorded } from '@countersign/contracts';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { loadSettings, type Environment } from '@countersign/runtime';
import { NEEDS } from './needs.js';
import { DeadLettersModule, FactsModule } from './trail/trail.module.js';

/** Starts the audit service. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
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
    return host.started();
  });
}
