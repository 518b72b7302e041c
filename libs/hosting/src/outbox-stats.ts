import { METRICS } from '@countersign/observability';
import { type OutboxBacklog } from '@countersign/persistence';

/** Longest wait of a scrape for the database, in milliseconds. Prometheus itself gives up after ten seconds. */
const QUERY_LIMIT_MS = 1_000;
/** Age up to which a result is used again, in milliseconds: both gauges and a second scraper share one query. */
const MAX_AGE_MS = 500;

const UNKNOWN: OutboxBacklog = { pending: NaN, oldestAgeSeconds: NaN };

/** The backlog of an outbox for metrics. Queries once per scrape, and does not block a scrape when the database hangs. */
export class OutboxStats {
  #query: Promise<OutboxBacklog> | undefined;
  #last = UNKNOWN;
  #readAt = -Infinity;

  constructor(private readonly queryBacklog: () => Promise<OutboxBacklog>) {}

  /** NaN in both fields when the database does not answer in time, because an old value would look current. */
  async read(): Promise<OutboxBacklog> {
    if (performance.now() - this.#readAt < MAX_AGE_MS) return this.#last;
    this.#query ??= this.#refresh().finally(() => (this.#query = undefined));
    let limit: NodeJS.Timeout | undefined;
    const late = new Promise<OutboxBacklog>((resolve) => (limit = setTimeout(() => resolve(UNKNOWN), QUERY_LIMIT_MS)));
    return Promise.race([this.#query, late]).finally(() => clearTimeout(limit));
  }

  async #refresh(): Promise<OutboxBacklog> {
    try {
      this.#last = await this.queryBacklog();
      this.#readAt = performance.now();
      return this.#last;
    } catch {
      return UNKNOWN;
    }
  }
}

/** Adds the gauges of a service's outbox. @returns removes them */
export function exposeOutboxStats(service: string, queryBacklog: () => Promise<OutboxBacklog>): () => void {
  const stats = new OutboxStats(queryBacklog);
  const removers = [
    METRICS.outboxPending.read(async () => [{ labels: { service }, value: (await stats.read()).pending }]),
    METRICS.outboxAge.read(async () => [{ labels: { service }, value: (await stats.read()).oldestAgeSeconds }]),
  ];
  return () => removers.forEach((remove) => remove());
}
