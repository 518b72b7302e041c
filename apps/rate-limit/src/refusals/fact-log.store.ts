import { encodeMessage, FactRecorded, type UntimedFact } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Batched, type Database } from '@countersign/persistence';
import { FactLog } from './refusals.ports.js';

/** Adds facts to the outbox with the time of the database. Their order has no meaning. */
export const ADD_FACTS = `INSERT INTO rate_limit.outbox (id, topic, key, headers, payload)
  SELECT f.id, f.topic, f.key, f.headers, (f.value::jsonb || jsonb_build_object('time',
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))::text
  FROM unnest($1::jsonb[]) AS row(content),
    LATERAL jsonb_to_record(row.content) AS f(id uuid, topic text, key text, headers jsonb, value text)`;

/** A fact as the parameter of {@link ADD_FACTS}. */
export function rowOf(fact: UntimedFact): string {
  return JSON.stringify(encodeMessage(fact.factId, Object.assign(new FactRecorded(), fact), traceHeaders()));
}

/** Writes facts to the outbox of the service; facts that arrive together share a statement. */
export class OutboxFactLog extends FactLog {
  readonly #add: Batched<string, undefined>;

  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
  ) {
    super();
    this.#add = new Batched({ run: (rows) => this.#addAll(rows) });
  }

  override async record(facts: readonly UntimedFact[]): Promise<void> {
    if (facts.length === 0) return;
    await Promise.all(facts.map((fact) => this.#add.call(rowOf(fact))));
    this.wakeRelay();
  }

  async #addAll(rows: readonly string[]): Promise<undefined[]> {
    await this.database.prepared('rate_limit.facts', ADD_FACTS, [rows]);
    return rows.map(() => undefined);
  }
}
