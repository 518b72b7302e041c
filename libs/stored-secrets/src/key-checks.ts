import { type Database, type Sql } from '@countersign/persistence';
import { type KeyCheck } from '@countersign/crypto';

/** The name under which the names key is recorded; it is no setting. */
export const NAMES_KEY_SETTING = 'verification.names_key';

/** The keys that a process has for one setting. */
export interface ConfiguredKeys {
  readonly setting: string;
  /** The key in use is first. */
  readonly keys: readonly KeyCheck[];
  /**
   * Whether stored rows or counters have names that are hashes under these keys. If so, the process must hold the recorded
   * key; a new key is recorded in addition, and `countersign keys rekey` makes it required. The order of the keys has no
   * meaning. Otherwise a recorded key may be removed, and only another key under its id is a fault.
   */
  readonly names: boolean;
}

/** A setting without the keys that the tables were written with, and the rule that it violates. */
export interface KeyFault {
  readonly setting: string;
  readonly rule: string;
}

interface RecordedKey {
  readonly setting: string;
  readonly key_id: string;
  readonly check_value: string;
  /** Whether every process must hold this key; only for settings with `names`. */
  readonly required: boolean;
}

/**
 * Compares the keys of a process with those that the tables were written with, and records new keys. Otherwise a lost key that
 * was silently replaced would void every lock, recognized caller and telephone look-up. Copies that start at the same time wait
 * for each other, so two different keys cannot both be recorded as the first.
 * @returns the first fault; undefined if there is none, and all keys are recorded
 * @throws ServiceError DATABASE_UNAVAILABLE
 */
export async function recordKeys(database: Database, held: readonly ConfiguredKeys[]): Promise<KeyFault | undefined> {
  return database.transaction(async (tx) => {
    await lockKeyRecords(tx, database.schema);
    const recorded = await readKeys(tx, database.schema);
    const fault = faultOf(held, recorded);
    if (fault !== undefined) return fault;
    for (const one of held) {
      const { setting, names, keys } = one;
      const isFirst = !recorded.some((key) => key.setting === setting);
      // Sorted, so that services with the same keys in another order require the same key.
      const required = names ? (isFirst ? keys.map(({ keyId }) => keyId).sort()[0] : undefined) : undefined;
      await insertKeys(tx, database.schema, setting, keys, names ? (keyId) => keyId === required : () => true);
    }
    return undefined;
  });
}

/**
 * Compares the keys of a process without tables, such as an adapter. The key that it uses replaces the recorded one if the
 * process holds both. So the key can be rotated, and a copy without the new key is detected.
 * @returns whether the process holds the recorded key, or no key was recorded
 * @throws ServiceError DATABASE_UNAVAILABLE
 */
export async function recordForeignKey(
  database: Database,
  setting: string,
  keys: readonly KeyCheck[],
): Promise<boolean> {
  const [first] = keys;
  if (first === undefined) return false;
  const isRecorded = ({ setting: name, check_value: value }: RecordedKey): boolean =>
    name === setting && value === first.value;
  // Asked every minute by each adapter: locks only when something changes.
  if ((await readKeys(database, database.schema)).some(isRecorded)) return true;
  return database.transaction(async (tx) => {
    await lockKeyRecords(tx, database.schema);
    if (!holdsAll(await readKeys(tx, database.schema), setting, keys)) return false;
    await tx.query(`DELETE FROM ${database.schema}.key_checks WHERE setting = $1`, [setting]);
    await insertKeys(tx, database.schema, setting, [first], () => true);
    return true;
  });
}

/** As {@link recordKeys}, but records nothing and returns every fault. @throws ServiceError DATABASE_UNAVAILABLE */
export async function recordedKeyFaults(
  sql: Sql,
  schema: string,
  held: readonly ConfiguredKeys[],
): Promise<KeyFault[]> {
  const recorded = await readKeys(sql, schema);
  return held.flatMap((one) => faultOf([one], recorded) ?? []);
}

/** The first of {@link recordedKeyFaults}. @throws ServiceError DATABASE_UNAVAILABLE */
export async function recordedKeyFault(
  sql: Sql,
  schema: string,
  held: readonly ConfiguredKeys[],
): Promise<KeyFault | undefined> {
  const [first] = await recordedKeyFaults(sql, schema, held);
  return first;
}

/**
 * As {@link recordForeignKey}, but records nothing: whether the process could record its key, or holds the recorded one.
 * @throws ServiceError DATABASE_UNAVAILABLE
 */
export async function holdsForeignKey(
  database: Database,
  setting: string,
  keys: readonly KeyCheck[],
): Promise<boolean> {
  return holdsAll(await readKeys(database, database.schema), setting, keys);
}

function holdsAll(recorded: readonly RecordedKey[], setting: string, keys: readonly KeyCheck[]): boolean {
  return recorded
    .filter((known) => known.setting === setting)
    .every((known) => keys.some(({ value }) => value === known.check_value));
}

/** Schemas of this database whose services record keys; each service may have a database of its own. */
export async function schemasWithKeys(sql: Sql): Promise<string[]> {
  const rows = await sql.query<{ schema: string }>(
    `SELECT s AS schema FROM unnest($1::text[]) AS s WHERE to_regclass(s || '.key_checks') IS NOT NULL`,
    [['verification', 'rate_limit', 'webhooks', 'audit']],
  );
  return rows.map(({ schema }) => schema);
}

/**
 * Removes the records of the keys of a setting, so the next start records the keys that it is given. For a key that is lost
 * for good.
 * @returns the number of removed records
 * @throws ServiceError DATABASE_UNAVAILABLE
 */
export async function removeKeyRecords(tx: Sql, schema: string, setting: string): Promise<number> {
  const removed = await tx.query(`DELETE FROM ${schema}.key_checks WHERE setting = $1 RETURNING 1`, [setting]);
  return removed.length;
}

function faultOf(held: readonly ConfiguredKeys[], recorded: readonly RecordedKey[]): KeyFault | undefined {
  for (const one of held) {
    const rule = ruleBroken(one, recorded);
    if (rule !== undefined) return { setting: one.setting, rule };
  }
  return undefined;
}

function ruleBroken({ setting, keys, names }: ConfiguredKeys, recorded: readonly RecordedKey[]): string | undefined {
  const known = recorded.filter((one) => one.setting === setting);
  const holds = ({ key_id: id, check_value: value }: RecordedKey): boolean =>
    keys.some(({ keyId, value: own }) => keyId === id && own === value);
  for (const one of known) {
    const { key_id: id, check_value: value, required } = one;
    const held = keys.find(({ keyId }) => keyId === id);
    if (held === undefined ? !names || !required : held.value === value) continue;
    if (names && held === undefined && known.some(holds)) {
      return `must still hold the key ${id} in addition: countersign keys rekey shows when it can be removed`;
    }
    return (
      `must hold the key ${id} as it was when the tables were written: restore it from the backup of your secrets, ` +
      'or see docs/operations.md, "A key is lost"'
    );
  }
  return undefined;
}

/** The keys of a setting that every process must hold. @throws ServiceError DATABASE_UNAVAILABLE */
export async function requiredKeys(database: Database, setting: string): Promise<KeyCheck[]> {
  return (await readKeys(database, database.schema))
    .filter((one) => one.setting === setting && one.required)
    .map(({ key_id: keyId, check_value: value }) => ({ keyId, value }));
}

/** Serializes changes of the recorded keys of a schema until the transaction ends. A service that starts waits for it. */
export async function lockKeyRecords(tx: Sql, schema: string): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`key_checks:${schema}`]);
}

async function readKeys(sql: Sql, schema: string): Promise<RecordedKey[]> {
  return sql.query<RecordedKey>(`SELECT setting, key_id, check_value, required FROM ${schema}.key_checks`);
}

async function insertKeys(
  tx: Sql,
  schema: string,
  setting: string,
  keys: readonly KeyCheck[],
  isRequired: (keyId: string) => boolean,
): Promise<void> {
  await tx.query(
    `INSERT INTO ${schema}.key_checks (setting, key_id, check_value, required)
     SELECT $1, key_id, check_value, required FROM unnest($2::text[], $3::text[], $4::boolean[]) AS held (key_id, check_value, required)
     ON CONFLICT DO NOTHING`,
    [
      setting,
      keys.map(({ keyId }) => keyId),
      keys.map(({ value }) => value),
      keys.map(({ keyId }) => isRequired(keyId)),
    ],
  );
}
