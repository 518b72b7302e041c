import { apiServerOptions, readAdminKey } from '@countersign/api';
import { DeadLettered, FACT_KINDS, FactRecorded } from '@countersign/contracts';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { HttpServer } from '@countersign/http';
import { METRICS } from '@countersign/observability';
import { loadSettings, settingsInvalid, type Environment } from '@countersign/runtime';
import { recordKeys, rewrapColumn } from '@countersign/stored-secrets';
import { AuditApiModule } from './audit-api.module.js';
import { PostgresCheckpoints } from './checkpoints/checkpoints.store.js';
import { consumeCheckpoints } from './checkpoints/consume-checkpoints.js';
import { openCompleteness } from './completeness/open-completeness.js';
import { exposeAttacks } from './counts/attack-gauges.js';
import { PostgresEventCounts } from './counts/event-counts.store.js';
import { configuredKeys, NEEDS, readKeyring, readLogKeys, subjectKeysFault } from './needs.js';
import { PostgresLogSequencer } from './log/log-sequencer.store.js';
import { shardStartedIn } from './log/shard-started.js';
import { startLog } from './log/start-log.js';
import { PostgresPersonalDataVault } from './personal-data/personal-data-vault.store.js';
import { AUDIT_SUBJECT_KEYS } from './personal-data/subject-key-column.js';
import { SealPersonalData } from './personal-data/seal-personal-data.use-case.js';
import { PostgresOldEntries } from './retention/old-entries.store.js';
import { PruneLog } from './retention/prune-log.use-case.js';
import { PostgresAuditTrail } from './trail/audit-trail.store.js';
import { RecordFact } from './trail/record-fact.use-case.js';
import { DeadLettersModule, FactsModule } from './trail/trail.module.js';

/** How often keys of subjects under an old key are encrypted again, in milliseconds. */
const REWRAP_MS = 600_000;
/** Facts of this time share a fetch and their statements, in milliseconds: a part of the delay of an event. */
const GATHER_MS = 100;
/** How often the entries of old shards are removed, in milliseconds. */
const PRUNE_MS = 30_000;
/** How often old counts of events are removed, in milliseconds. */
const PURGE_MS = 3_600_000;

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
  const keyring = await readKeyring(settings);
  const logKeys = await readLogKeys(settings);
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const database = await host.database(NEEDS.store, settings);
    const fault = (await subjectKeysFault(database, keyring)) ?? (await recordKeys(database, configuredKeys(keyring)));
    if (fault !== undefined) throw settingsInvalid([`${fault.setting} ${fault.rule}`]);
    const vault = new PostgresPersonalDataVault(database, keyring);
    host.every(REWRAP_MS, 'keys of subjects could not be encrypted under the first key', () =>
      rewrapColumn(AUDIT_SUBJECT_KEYS, { database: database.forAllTenants(), keyring }),
    );
    // Prometheus sees the first event as an increase only if the counter was 0 before it.
    for (const kind of FACT_KINDS) METRICS.events.inc({ kind }, 0);
    // Opened before the log and closed after it: on the in-process bus, an event is published when it is read back.
    const completeness = await openCompleteness(host, database, fatal);
    const sequencer = new PostgresLogSequencer(database, settings.LOG_ORIGIN, shardStartedIn(settings.OCSF_VERSION));
    const log = startLog(host, database, sequencer);
    const trail = new PostgresAuditTrail(sequencer, { onAppended: () => log.onAppended(), onFatal: fatal });
    const own = new RecordFact(trail, new SealPersonalData(vault), settings.OCSF_VERSION);
    const recordFacts = async (ownFacts: readonly FactRecorded[]): Promise<void> => {
      await Promise.all(ownFacts.map((fact) => own.record(fact)));
      for (const { kind } of ownFacts) METRICS.events.inc({ kind });
    };
    const deadLetters = await host.busApp(DeadLettersModule.with(trail, vault, settings.OCSF_VERSION), database, {
      group: 'audit-dead-letters',
      messages: [DeadLettered],
    });
    const facts = await host.busApp(FactsModule.with(trail, vault, settings.OCSF_VERSION), database, {
      group: 'audit',
      messages: [FactRecorded],
      maxInFlight: settings.MAX_IN_FLIGHT,
      gatherMs: GATHER_MS,
    });
    await Promise.all([deadLetters.listen(), facts.listen(), completeness.start(recordFacts)]);
    await consumeCheckpoints(host, database, new PostgresCheckpoints(database), logKeys);
    const clientKeys = await host.directory();
    if (settings.LOG_RETENTION_DAYS !== undefined) {
      const pruneLog = new PruneLog(new PostgresOldEntries(database), recordFacts, settings.LOG_RETENTION_DAYS);
      host.every(PRUNE_MS, 'entries of old shards could not be removed', () => pruneLog.prune());
    }
    const counts = new PostgresEventCounts(database);
    host.every(PURGE_MS, 'old counts of events could not be removed', () => counts.purge());
    exposeAttacks(host, counts);
    const module = AuditApiModule.with({ adminKey, host, database, vault, clientKeys, recordFacts, logKeys });
    const server = await HttpServer.start(module, apiServerOptions(host, { port: settings.AUDIT_PORT }));
    host.onClose(() => server.close());
    return host.started({ audit: server.url });
  });
}
