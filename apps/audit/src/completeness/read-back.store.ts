import { Injectable } from '@nestjs/common';
import { INSTALLATION } from '@countersign/contracts';
import { Batched, Database } from '@countersign/persistence';
import { ReadBackEntries, type PublishedEntry, type TopicDifference } from './completeness.ports.js';

/** Records of one statement, and how long the first waits for others: on the in-process bus the publisher waits as long. */
const MAX_BATCH_SIZE = 1_024;
const LINGER_MS = 100;
/** Age from which an entry is expected on the topic; a younger one may be in transit. */
const IN_TRANSIT_SECONDS = 30;
/** Differences of the topic that are named; a count includes those of a range. */
const MAX_NAMED = 100;

/**
 * Adds entries, of which those that have other bytes in the log count as missing, because a consumer cannot read them. The ranges
 * join into one while nothing is missing. A join would be planned as a scan of all entries when a connection prepares the
 * statement on a small log, and would keep that plan. $1 indexes, $2 SHA-256 of their values on the topic, $3 a multirange of
 * the indexes
 */
export const ADD_READ_BACK = `
WITH altered AS (
  SELECT range_agg(int8range(idx, idx + 1)) AS indexes
  FROM unnest($1::bigint[], $2::bytea[]) AS published(idx, hash)
  WHERE (SELECT sha256(value) FROM audit.entries WHERE entries.idx = published.idx) <> hash
)
UPDATE audit.read_back
SET indexes = read_back.indexes + $3::int8multirange - COALESCE((SELECT indexes FROM altered), '{}')`;

/**
 * What the topic lacks of the entries that are older than $1 seconds, and what it has beyond the end of the log, in one snapshot.
 * $2 rows
 */
const FIND_DIFFERENCES = `
WITH state AS (
  SELECT
    indexes,
    log_state.size,
    COALESCE(
      (
        SELECT head.size
        FROM audit.tree_heads head
        WHERE created_at < clock_timestamp() - make_interval(secs => $1)
        ORDER BY head.size DESC
        LIMIT 1
      ),
      0
    ) AS due
  FROM audit.read_back, audit.log_state
)
SELECT 'not_published' AS difference, lower(gap) AS first, upper(gap) - lower(gap) AS count
FROM state, unnest(int8multirange(int8range(0, due)) - indexes) AS gap
UNION ALL
SELECT 'not_in_log', lower(beyond), upper(beyond) - lower(beyond)
FROM state, unnest(indexes - int8multirange(int8range(0, size))) AS beyond
ORDER BY 2
LIMIT $2`;

/** {@link ReadBackEntries} in PostgreSQL: the ranges of the indexes that were read. */
@Injectable()
export class PostgresReadBackEntries extends ReadBackEntries {
  readonly #database: Pick<Database, 'query' | 'prepared'>;
  readonly #add: Batched<PublishedEntry, void>;

  constructor(database: Database) {
    super();
    this.#database = database.forAllTenants();
    this.#add = new Batched({
      size: MAX_BATCH_SIZE,
      fullSize: MAX_BATCH_SIZE,
      concurrency: 1,
      run: (entries) => this.#addAll(entries),
      expectsMore: () => true,
      lingerMs: () => LINGER_MS,
    });
  }

  override add(entry: PublishedEntry): Promise<void> {
    return this.#add.call(entry);
  }

  override async differences(): Promise<TopicDifference[]> {
    type Row = { difference: TopicDifference['difference']; first: string; count: string };
    const rows = await this.#database.query<Row>(FIND_DIFFERENCES, [IN_TRANSIT_SECONDS, MAX_NAMED]);
    return rows.map(({ difference, first, count }) => ({
      ...{ difference, key: first, tenant: INSTALLATION, number: Number(count) },
      ...{ subject: undefined, method: undefined, countedAt: undefined },
    }));
  }

  async #addAll(entries: readonly PublishedEntry[]): Promise<void[]> {
    const indexes = entries.map(({ index }) => index);
    await this.#database.prepared('audit.read_back.add', ADD_READ_BACK, [
      ...[indexes, entries.map(({ sha256 }) => sha256), `{${indexes.map((index) => `[${index},${index}]`).join()}}`],
    ]);
    return entries.map(() => undefined);
  }
}
