import { METRICS } from '@countersign/observability';
import { type OutboxBacklog } from '@countersign/persistence';
import { StatsQuery } from './stats-query.js';

const UNKNOWN: OutboxBacklog = { pending: NaN, oldestAgeSeconds: NaN };

/** Adds the gauges of a service's outbox. @returns removes them */
export function exposeOutboxStats(service: string, queryBacklog: () => Promise<OutboxBacklog>): () => void {
  const stats = new StatsQuery(queryBacklog, UNKNOWN);
  const removers = [
    METRICS.outboxPending.read(async () => [{ labels: { service }, value: (await stats.read()).pending }]),
    METRICS.outboxAge.read(async () => [{ labels: { service }, value: (await stats.read()).oldestAgeSeconds }]),
  ];
  return () => removers.forEach((remove) => remove());
}
