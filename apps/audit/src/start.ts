import { DeadLettered, FACT_KINDS, FactRecorded } from '@countersign/contracts';
import { Host, topicsOf, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { METRICS, NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
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
  const host = await Host.open(NEEDS.name, settings, topicsOf(NEEDS.bus), fatal, replace);
  const database = await host.database(NEEDS.store, settings);
  // Prometheus sees the first event as an increase only if the counter was 0 before it.
  for (const kind of FACT_KINDS) METRICS.events.inc({ kind }, 0);
  const shared = {
    broker: host.broker,
    deliveries: new PostgresDeliveries(database),
    logger: new NestLogger(host.logger),
    onFatal: fatal,
    observe: host.observe,
  };
  const deadLetters = await createBusApp(DeadLettersModule.with(database), {
    ...shared,
    group: 'audit-letters',
    messages: [DeadLettered],
  });
  host.onClose(() => deadLetters.close());
  const facts = await createBusApp(FactsModule.with(database), {
    ...shared,
    group: 'audit',
    messages: [FactRecorded],
    maxInFlight: settings.MAX_IN_FLIGHT,
  });
  host.onClose(() => facts.close());
  await Promise.all([deadLetters.listen(), facts.listen()]);
  return host.started();
}
