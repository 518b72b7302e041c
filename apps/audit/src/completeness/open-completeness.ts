import { AttemptsReported, TOPICS, type FactRecorded } from '@countersign/contracts';
import { type FatalHandler, type Host } from '@countersign/hosting';
import { type ConsumedRecord } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { PostgresDeliveries, type Database } from '@countersign/persistence';
import { DIFFERENCES } from './compare-attempts.decision.js';
import { DifferenceRecords, ReadBackEntries } from './completeness.ports.js';
import { CompletenessModule } from './completeness.module.js';
import { readPublishedEntry } from './published-entry.js';
import { RaiseDifferences } from './raise-differences.use-case.js';

/** Consumer groups of the reports of verification, and of the events that are read back. */
const REPORTS_GROUP = 'audit-reports';
const READ_BACK_GROUP = 'audit-read-back';

/** Milliseconds between two searches for differences that are resolved, or certain. */
const SEARCH_MS = 5_000;
/** Events that are read back at a time; they share statements. */
const MAX_IN_FLIGHT = 1_024;
/** The read-back compares with hours of tolerance. */
const GATHER_MS = 250;

export interface OpenedCompleteness {
  /** Begins to compare. @param recordFacts records facts of the audit service itself */
  start(recordFacts: (facts: readonly FactRecorded[]) => Promise<void>): Promise<void>;
}

/**
 * Reads the published events back from now on. Compares ledger, log and topic after `start`, until the host closes.
 * @throws ServiceError BROKER_UNAVAILABLE
 */
export async function openCompleteness(
  host: Host,
  database: Database,
  fatal: FatalHandler,
): Promise<OpenedCompleteness> {
  const app = await host.busApp(CompletenessModule.with(database), database, {
    group: REPORTS_GROUP,
    messages: [AttemptsReported],
  });
  const [published, differences, records] = [
    app.get(ReadBackEntries),
    app.get(RaiseDifferences),
    app.get(DifferenceRecords),
  ];
  await readBack(host, database, fatal, published);
  const hideCounts = METRICS.auditDifferences.read(async () => {
    const counts = await records.counts();
    return DIFFERENCES.map((difference) => ({ labels: { difference }, value: counts.get(difference) ?? 0 }));
  });
  const hideAge = METRICS.comparisonAge.read(async () => {
    const age = await records.comparisonAge();
    return age === undefined ? [] : [{ labels: {}, value: age }];
  });
  host.onClose(() => Promise.resolve().then(hideCounts).then(hideAge));
  return {
    start: async (recordFacts) => {
      host.every(SEARCH_MS, 'ledger, log and topic were not compared', async () => {
        await differences.recheck();
        await records.replaceOfTopic(await published.differences());
        for (const { difference, tenant, subject, number } of await differences.raise(recordFacts))
          host.logger.error(
            { difference, tenant, subject, number },
            'ledger, log and topic differ: see docs/operations.md',
          );
      });
      await app.listen();
    },
  };
}

/** Public events have no type and id of the bus, so no message handler can take them. */
async function readBack(host: Host, database: Database, fatal: FatalHandler, entries: ReadBackEntries): Promise<void> {
  const topic = TOPICS.auditEvents.name;
  const observe = (outcome: 'handled' | 'retried'): void => host.observe({ group: READ_BACK_GROUP, topic, outcome });
  const add = async (record: ConsumedRecord): Promise<void> => {
    const entry = readPublishedEntry(record);
    try {
      if (entry !== undefined) await entries.add(entry);
      observe('handled');
    } catch (error) {
      observe('retried');
      throw error;
    }
  };
  const subscription = await host.broker.consume(
    {
      ...{ group: READ_BACK_GROUP, topics: [topic], maxInFlight: MAX_IN_FLIGHT, gatherMs: GATHER_MS, onFatal: fatal },
      // Events of one subject, or of a tenant without a subject, have one key: each would wait for the batch of the one before.
      isUnordered: true,
      poisonHandling: {
        deliveries: new PostgresDeliveries(database),
        // A record that cannot be read is one that the topic lacks.
        onPoison: () => Promise.resolve(observe('handled')),
        onWaiting: (error) => host.logger.warn({ err: error }, 'new partitions of the events wait'),
      },
    },
    add,
  );
  host.onClose(() => subscription.close());
  await subscription.ready;
}
