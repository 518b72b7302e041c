import { METRICS } from '@countersign/observability';
import { type OutboxBacklog } from '@countersign/persistence';

/** How long a scrape waits for the database, in milliseconds; Prometheus gives up after ten seconds by itself. */
const READ_LIMIT_MS = 1_000;
/** Both figures come from one look at the database, and so do those of a second scraper. */
const FRESH_MS = 500;

const UNKNOWN: OutboxBacklog = { pending: NaN, oldestAgeSeconds: NaN };

/** The backlog of an outbox for metrics: looked up once for a scrape, which a database that hangs does not hold up. */
export class OutboxStats {
  #reading: Promise<OutboxBacklog> | undefined;
  #last = UNKNOWN;
  #readAt = -Infinity;

  constructor(private readonly look: () => Promise<OutboxBacklog>) {}

  /** NaN in both when the database does not tell in time: an old number would look like a good one. */
  async read(): Promise<OutboxBacklog> {
    if (performance.now() - this.#readAt < FRESH_MS) return this.#last;
    this.#reading ??= this.#look().finally(() => (this.#reading = undefined));
    let limit: NodeJS.Timeout | undefined;
    const late = new Promise<OutboxBacklog>((resolve) => (limit = setTimeout(() => resolve(UNKNOWN), READ_LIMIT_MS)));
    return Promise.race([this.#reading, late]).finally(() => clearTimeout(limit));
  }

  async #look(): Promise<OutboxBacklog> {
    try {
      this.#last = await this.look();
      this.#readAt = performance.now();
      return this.#last;
    } catch {
      return UNKNOWN;
    }
  }
}

/** Shows the backlog of a service's outbox. @returns what ends the showing */
export function exposeOutboxStats(service: string, look: () => Promise<OutboxBacklog>): () => void {
  const figures = new OutboxStats(look);
  const ends = [
    METRICS.outboxPending.read(async () => [{ labels: { service }, value: (await figures.read()).pending }]),
    METRICS.outboxAge.read(async () => [{ labels: { service }, value: (await figures.read()).oldestAgeSeconds }]),
  ];
  return () => ends.forEach((end) => end());
}
