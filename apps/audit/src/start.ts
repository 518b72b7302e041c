import { DEAD_LETTERS, DeadLettered, FACT_KINDS, FactRecorded, TOPICS } from '@countersign/contracts';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { METRICS, NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
import { loadSettings, type Environment } from '@countersign/runtime';
import { Audit1764000000004 } from '../migrations/1764000000004-audit.js';
import { AuditDeliveries1764000100004 } from '../migrations/1764000100004-deliveries.js';
import { AuditTenantRows1764000700004 } from '../migrations/1764000700004-tenant-rows.js';
import { AuditModule, DeadLetterModule } from './trail/trail.module.js';
import { AuditSettings } from './audit.settings.js';
import { PostgresAuditTrail } from './trail/audit-trail.store.js';

/** Starts the audit service. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(AuditSettings, env);
  const host = await Host.open('audit', settings, [TOPICS.facts, TOPICS.auditEvents, DEAD_LETTERS], fatal, replace);
  const migrations = [Audit1764000000004, AuditDeliveries1764000100004, AuditTenantRows1764000700004];
  const database = await host.database('audit', migrations, settings);
  const trail = new PostgresAuditTrail(database);
  // An alert on an increase needs a value before the first event.
  for (const kind of FACT_KINDS) METRICS.events.inc({ kind }, 0);
  const shared = {
    broker: host.broker,
    deliveries: new PostgresDeliveries(database),
    logger: new NestLogger(host.logger),
    onFatal: fatal,
    observe: host.observe,
  };
  const letters = await createBusApp(DeadLetterModule.with(trail), {
    ...{ ...shared, group: 'audit-letters', messages: [DeadLettered] },
  });
  host.onClose(() => letters.close());
  const facts = await createBusApp(AuditModule.with(trail), {
    ...{ ...shared, group: 'audit', messages: [FactRecorded], maxInFlight: settings.MAX_IN_FLIGHT },
  });
  host.onClose(() => facts.close());
  await Promise.all([letters.listen(), facts.listen()]);
  return host.started();
}
