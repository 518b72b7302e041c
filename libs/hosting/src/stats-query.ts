/** Longest wait of a scrape for the database, in milliseconds. Prometheus itself gives up after ten seconds. */
const QUERY_LIMIT_MS = 1_000;
/** Age up to which a result is used again, in milliseconds: several gauges and a second scraper share one query. */
const MAX_AGE_MS = 500;

/** Values of a database for metrics. Queries once per scrape, and does not block a scrape when the database hangs. */
export class StatsQuery<T> {
  #query: Promise<T> | undefined;
  #last: T;
  #readAt = -Infinity;

  /** @param unknown the result while the database does not answer */
  constructor(
    private readonly query: () => Promise<T>,
    private readonly unknown: T,
  ) {
    this.#last = unknown;
  }

  /** `unknown` when the database does not answer in time, because an old value would look current. */
  async read(): Promise<T> {
    if (performance.now() - this.#readAt < MAX_AGE_MS) return this.#last;
    this.#query ??= this.#refresh().finally(() => (this.#query = undefined));
    let limit: NodeJS.Timeout | undefined;
    const late = new Promise<T>((resolve) => (limit = setTimeout(() => resolve(this.unknown), QUERY_LIMIT_MS)));
    return Promise.race([this.#query, late]).finally(() => clearTimeout(limit));
  }

  async #refresh(): Promise<T> {
    try {
      this.#last = await this.query();
      this.#readAt = performance.now();
      return this.#last;
    } catch {
      return this.unknown;
    }
  }
}
