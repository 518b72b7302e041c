import { type Database, type Sql } from '@countersign/persistence';
import { type KeyCheck } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { schemasWithKeys } from './key-checks.js';
import { recordKeyEvent } from './key-event.js';

const SETTING = 'IDENTIFIER_KEY';
/** After this time every copy of the limiter counts under the new key: each reads the required keys every second. */
const PROPAGATION_SECONDS = 5;

/**
 * - `added`: a service has started with it.
 * - `required`: every service must hold it.
 * - `taking_over`: every service must hold it and the previous key.
 * - `retired`: it can be removed from the settings and is never used again.
 */
export type IdentifierKeyState = 'added' | 'required' | 'taking_over' | 'retired';

/** A recorded key of `IDENTIFIER_KEY`. */
export interface IdentifierKey {
  readonly keyId: string;
  readonly state: IdentifierKeyState;
  /** With `taking_over`: the end of the last counter that has a name under the previous key only. */
  readonly readyAt: Date | undefined;
}

/** What {@link rekey} waits for. */
export interface RekeyWait {
  readonly until: Date;
  readonly secondsLeft: number;
  /** Overrides with names under the previous key only. They end at `until`, or when they are set again. */
  readonly overrides: number;
}

export type RekeyResult =
  | { readonly kind: 'done'; readonly key: string; readonly retired: readonly string[] }
  | { readonly kind: 'unchanged'; readonly key: string }
  | { readonly kind: 'waiting'; readonly key: string; readonly wait: RekeyWait };

interface Row {
  readonly key_id: string;
  readonly check_value: string;
  readonly required: boolean;
  readonly required_at: Date | null;
  readonly ready_at: Date | null;
}

/** The keys of `IDENTIFIER_KEY`, over all services. @throws ServiceError DATABASE_UNAVAILABLE */
export async function identifierKeys(database: Database): Promise<IdentifierKey[]> {
  const rows = await readAll(database, await schemasWithNames(database));
  return [...new Set(rows.map(({ key_id: id }) => id))].sort().map((keyId) => {
    const ofKey = rows.filter((row) => row.key_id === keyId);
    return { keyId, state: stateOf(ofKey), readyAt: ofKey.map((row) => row.ready_at ?? undefined).find(Boolean) };
  });
}

/**
 * One step of the change to a new key: requires both keys of every service, and computes when the old one can be removed. No
 * row is rewritten, because verification names its rows under the names key. The limiter counts every request under both keys.
 * The old key can be removed when no counter has a name under it only. Can be run again at any time.
 * @param held the keys of the setting, in any order
 * @throws ServiceError SETTINGS_INVALID that names the rule, DATABASE_UNAVAILABLE
 */
export async function rekey(database: Database, held: readonly KeyCheck[]): Promise<RekeyResult> {
  const schemas = await schemasWithNames(database);
  const target = targetOf(await readAll(database, schemas), held, schemas);
  if (target.unchanged) return { kind: 'unchanged', key: target.key };
  const { key } = target;
  await database.transaction(async (tx) => {
    for (const schema of schemas) {
      await tx.query(
        `UPDATE ${schema}.key_checks SET required = true, required_at = clock_timestamp()
         WHERE setting = $1 AND key_id = $2 AND NOT required`,
        [SETTING, key],
      );
    }
  });
  const wait = await waitOf(database, schemas, key);
  if (wait !== undefined) return { kind: 'waiting', key, wait };
  return { kind: 'done', key, retired: await retireOthers(database, schemas, key) };
}

function stateOf(rows: readonly Row[]): IdentifierKeyState {
  if (rows.some((row) => row.required && row.required_at !== null)) return 'taking_over';
  if (rows.some((row) => row.required)) return 'required';
  return rows.some((row) => row.ready_at !== null) ? 'retired' : 'added';
}

/** The new key, or the key in use if there is no new one. */
function targetOf(
  rows: readonly Row[],
  held: readonly KeyCheck[],
  schemas: readonly string[],
): { readonly key: string; readonly unchanged: boolean } {
  const isHeld = (row: Row): boolean =>
    held.some(({ keyId, value }) => keyId === row.key_id && value === row.check_value);
  const missing = rows.find((row) => row.required && !isHeld(row));
  if (missing) throw refused(`must hold the key ${missing.key_id}, which every service holds`);
  const under = (keyId: string): Row[] => rows.filter((row) => row.key_id === keyId);
  const started = held.find(({ keyId }) => stateOf(under(keyId)) === 'taking_over');
  if (started) return { key: started.keyId, unchanged: false };
  const added = held.filter(({ keyId }) => under(keyId).length > 0 && stateOf(under(keyId)) === 'added');
  const unseen = held.find(({ keyId }) => under(keyId).length < schemas.length && stateOf(under(keyId)) !== 'retired');
  if (unseen) throw refused(`holds the key ${unseen.keyId}, which not every service holds: restart them with it first`);
  const [first, second] = added;
  if (second) throw refused(`holds several new keys: ${added.map(({ keyId }) => keyId).join(', ')}`);
  const inUse = rows.find((row) => row.required)?.key_id ?? '';
  return first ? { key: first.keyId, unchanged: false } : { key: inUse, unchanged: true };
}

/** Undefined if the old key can be removed now. */
async function waitOf(database: Database, schemas: readonly string[], key: string): Promise<RekeyWait | undefined> {
  const limits = schemas.includes('rate_limit');
  if (limits) {
    // Set once, when every copy of the limiter counts under both keys. Later counters have both names.
    await database.query(
      `UPDATE rate_limit.key_checks
       SET ready_at = GREATEST(clock_timestamp(), (SELECT to_timestamp(max(expires_ms) / 1000) FROM rate_limit.counters))
       WHERE setting = $1 AND key_id = $2 AND ready_at IS NULL
         AND required_at < clock_timestamp() - make_interval(secs => ${PROPAGATION_SECONDS})`,
      [SETTING, key],
    );
  }
  const overrides = limits
    ? `(SELECT count(*)::int AS overrides, max(expires_at) AS overridden FROM rate_limit.overrides
        WHERE expires_at > clock_timestamp() AND cardinality(key_ids) > 0 AND NOT $2 = ANY (key_ids))`
    : '(SELECT 0 AS overrides, NULL::timestamptz AS overridden)';
  const [row] = await database.query<{ until: Date; seconds: number; overrides: number }>(
    `SELECT w.until, o.overrides, extract(epoch FROM w.until - clock_timestamp())::float8 AS seconds
     FROM (SELECT COALESCE(ready_at, required_at + make_interval(secs => ${PROPAGATION_SECONDS})) AS ready, ready_at
           FROM ${limits ? 'rate_limit' : 'verification'}.key_checks WHERE setting = $1 AND key_id = $2) k,
       ${overrides} o,
       LATERAL (SELECT GREATEST(k.ready, o.overridden) AS until) w
     WHERE w.until > clock_timestamp() OR (k.ready_at IS NULL AND ${String(limits)})`,
    [SETTING, key],
  );
  return row && { until: row.until, secondsLeft: Math.max(1, Math.ceil(row.seconds)), overrides: row.overrides };
}

async function retireOthers(database: Database, schemas: readonly string[], key: string): Promise<string[]> {
  return database.transaction(async (tx) => {
    const retired = new Set<string>();
    for (const schema of schemas) {
      const rows = await tx.query<{ key_id: string }>(
        `UPDATE ${schema}.key_checks SET required = false, required_at = NULL, ready_at = clock_timestamp()
         WHERE setting = $1 AND key_id <> $2 AND required RETURNING key_id`,
        [SETTING, key],
      );
      for (const { key_id: id } of rows) retired.add(id);
      await tx.query(
        `UPDATE ${schema}.key_checks SET required_at = NULL, ready_at = NULL WHERE setting = $1 AND key_id = $2`,
        [SETTING, key],
      );
    }
    await recordKeyEvent(tx, database, { setting: SETTING, key });
    return [...retired].sort();
  });
}

/** Services with rows that have names under `IDENTIFIER_KEY`. The tables of the others hold keys of their own only. */
const SCHEMAS_WITH_NAMES: readonly string[] = ['verification', 'rate_limit'];

async function schemasWithNames(sql: Sql): Promise<string[]> {
  return (await schemasWithKeys(sql)).filter((schema) => SCHEMAS_WITH_NAMES.includes(schema));
}

async function readAll(sql: Sql, schemas: readonly string[]): Promise<Row[]> {
  const all = schemas.map(
    (schema) =>
      `SELECT key_id, check_value, required, required_at, ready_at FROM ${schema}.key_checks WHERE setting = '${SETTING}'`,
  );
  return all.length === 0 ? [] : sql.query<Row>(all.join(' UNION ALL '));
}

function refused(rule: string): ServiceError {
  return new ServiceError('SETTINGS_INVALID', `${SETTING} ${rule}`, false);
}
