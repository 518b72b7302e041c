import { randomBytes } from 'node:crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { KeyedHash, Secret } from '@countersign/crypto';
import { identifierKeys, recordKeys, rekey, requiredKeys } from '@countersign/stored-secrets';
import { createTestDatabase } from '@countersign/testing';
import { RATE_LIMIT_MIGRATIONS } from '../../apps/rate-limit/migrations/index.js';
import { VERIFICATION_MIGRATIONS } from '../../apps/verification/migrations/index.js';

const SETTING = 'IDENTIFIER_KEY';
const newKey = (): string => randomBytes(32).toString('base64url');
const checksOf = (...keys: string[]): KeyedHash['checks'] => new KeyedHash(new Secret(keys.join(','))).checks;
const idOf = (key: string): string => checksOf(key)[0]?.keyId ?? '';

let [old, anew] = [newKey(), newKey()];
let verification: Database;
let rateLimit: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const of = { url: test.url, as: 'administrator', applicationName: 'test' } as const;
  verification = await openDatabase({ ...of, schema: 'verification', migrations: VERIFICATION_MIGRATIONS });
  rateLimit = await openDatabase({ ...of, schema: 'rate_limit', migrations: RATE_LIMIT_MIGRATIONS });
});

afterAll(async () => {
  await Promise.all([verification.close(), rateLimit.close()]);
  await drop();
});

beforeEach(async () => {
  [old, anew] = [newKey(), newKey()];
  await verification.query('TRUNCATE verification.key_checks, verification.outbox');
  await rateLimit.query('TRUNCATE rate_limit.key_checks, rate_limit.counters, rate_limit.overrides');
});

/** The rule by which a service with these keys refuses to start; undefined when it starts. */
const startIn = async (database: Database, ...keys: string[]): Promise<string | undefined> =>
  (await recordKeys(database, [{ setting: SETTING, keys: checksOf(...keys), names: true }]))?.rule;

async function startAll(...keys: string[]): Promise<void> {
  expect(await startIn(verification, ...keys)).toBeUndefined();
  expect(await startIn(rateLimit, ...[...keys].reverse())).toBeUndefined();
}

const states = async (): Promise<Record<string, string>> =>
  Object.fromEntries((await identifierKeys(verification)).map(({ keyId, state }) => [keyId, state]));

/** Simulates that a minute has passed, in which the copies of the limiter have read the required keys. */
const settle = (): Promise<unknown> =>
  rateLimit.query(`UPDATE rate_limit.key_checks SET required_at = required_at - interval '1 minute'`);

const count = (expiresInMs: number): Promise<unknown> =>
  rateLimit.query(
    `INSERT INTO rate_limit.counters (key, expires_ms)
     VALUES (gen_random_uuid(), extract(epoch FROM clock_timestamp()) * 1000 + $1)`,
    [expiresInMs],
  );

const override = (keyIds: string[], endsInSeconds = 600): Promise<unknown> =>
  rateLimit.query(
    `INSERT INTO rate_limit.overrides (tenant, dimension, target, max_requests, period_seconds, reason, expires_at, key_ids, targets)
     VALUES ('acme', 'caller', 't', 5, 60, 'r', clock_timestamp() + make_interval(secs => $2), $1, $1)
     ON CONFLICT (tenant, dimension, target) DO UPDATE SET key_ids = EXCLUDED.key_ids, targets = EXCLUDED.targets`,
    [keyIds, endsInSeconds],
  );

describe('taking a new IDENTIFIER_KEY into use', () => {
  it('requires the old key at every start until it is retired, then the new one, in any order of the setting', async () => {
    await startAll(old);
    await startAll(anew, old);
    expect(await states()).toEqual({ [idOf(old)]: 'required', [idOf(anew)]: 'added' });
    expect(await startIn(rateLimit, anew)).toContain(`must still hold the key ${idOf(old)}`);
    await startAll(old);
    expect(await rekey(verification, checksOf(old, anew))).toMatchObject({ kind: 'waiting', key: idOf(anew) });
    expect(await states()).toEqual({ [idOf(old)]: 'required', [idOf(anew)]: 'taking_over' });
    for (const database of [verification, rateLimit]) {
      expect((await requiredKeys(database, SETTING)).map(({ keyId }) => keyId).sort()).toEqual(
        [idOf(old), idOf(anew)].sort(),
      );
      expect(await startIn(database, old)).toContain(`must still hold the key ${idOf(anew)}`);
      expect(await startIn(database, anew)).toContain(`must still hold the key ${idOf(old)}`);
    }
    await settle();
    expect(await rekey(verification, checksOf(anew, old))).toEqual({
      ...{ kind: 'done', key: idOf(anew), retired: [idOf(old)] },
    });
    await startAll(anew, old);
    await startAll(anew);
    expect(await startIn(verification, old)).toContain(`must still hold the key ${idOf(anew)}`);
    expect(await startIn(verification, newKey())).toContain('restore it from the backup');
    const facts = await verification.query<{ payload: string }>('SELECT payload FROM verification.outbox');
    expect(facts.map(({ payload }) => JSON.parse(payload) as unknown)).toMatchObject([
      { kind: 'key.rotated', detail: { setting: SETTING, key: idOf(anew) } },
    ]);
  });

  it('keeps the old key until the end of the last limit that was counted before every limiter held both keys', async () => {
    await startAll(old);
    await startAll(old, anew);
    await count(1_000_000);
    expect(await rekey(verification, checksOf(old, anew))).toMatchObject({ kind: 'waiting' });
    // Counted while some copies may still hold only the old key.
    await count(2_000_000);
    await settle();
    const waiting = await rekey(verification, checksOf(old, anew));
    expect(waiting).toMatchObject({ kind: 'waiting', wait: { overrides: 0 } });
    const { secondsLeft } = (waiting as Extract<typeof waiting, { kind: 'waiting' }>).wait;
    expect(secondsLeft).toBeGreaterThan(1_900);
    expect(secondsLeft).toBeLessThanOrEqual(2_000);
    // Counted under both keys, so it does not extend the wait.
    await count(9_000_000);
    expect(await rekey(verification, checksOf(old, anew))).toMatchObject({ wait: { until: expect.any(Date) as Date } });
    const again = await rekey(verification, checksOf(old, anew));
    expect((again as Extract<typeof again, { kind: 'waiting' }>).wait.secondsLeft).toBeLessThanOrEqual(2_000);
    await rateLimit.query(`UPDATE rate_limit.key_checks SET ready_at = clock_timestamp() WHERE ready_at IS NOT NULL`);
    expect(await rekey(verification, checksOf(old, anew))).toMatchObject({ kind: 'done' });
  });

  it('keeps the old key while an override names its target under the old key alone, until the override is set again', async () => {
    await startAll(old);
    await override([idOf(old)]);
    await override([idOf(old)], 600);
    await startAll(old, anew);
    await rekey(verification, checksOf(old, anew));
    await settle();
    expect(await rekey(verification, checksOf(old, anew))).toMatchObject({ kind: 'waiting', wait: { overrides: 1 } });
    await override([idOf(old), idOf(anew)]);
    expect(await rekey(verification, checksOf(old, anew))).toMatchObject({ kind: 'done' });
  });

  it('is refused without the key in use, with several new keys, and with a new key that not every service holds', async () => {
    await startAll(old);
    await expect(rekey(verification, checksOf(anew))).rejects.toThrow(`must hold the key ${idOf(old)}`);
    await expect(rekey(verification, checksOf(old, anew))).rejects.toThrow('which not every service holds');
    expect(await startIn(verification, old, anew)).toBeUndefined();
    await expect(rekey(verification, checksOf(old, anew))).rejects.toThrow('which not every service holds');
    const third = newKey();
    await startAll(old, anew, third);
    await expect(rekey(verification, checksOf(old, anew, third))).rejects.toThrow('holds several new keys');
    expect(await rekey(verification, checksOf(old))).toEqual({ kind: 'unchanged', key: idOf(old) });
    expect(await states()).toMatchObject({ [idOf(old)]: 'required', [idOf(anew)]: 'added' });
  });

  it('never takes a retired key into use again, even while the setting still holds it', async () => {
    await startAll(old);
    await startAll(old, anew);
    await rekey(verification, checksOf(old, anew));
    await settle();
    expect(await rekey(verification, checksOf(old, anew))).toMatchObject({ kind: 'done' });
    await startAll(old, anew);
    expect(await rekey(verification, checksOf(old, anew))).toEqual({ kind: 'unchanged', key: idOf(anew) });
    expect(await states()).toEqual({ [idOf(old)]: 'retired', [idOf(anew)]: 'required' });
  });

  it('requires the same key of services that start for the first time with two keys in different orders', async () => {
    await startAll(old, anew);
    const [inVerification, inRateLimit] = await Promise.all(
      [verification, rateLimit].map((database) => requiredKeys(database, SETTING)),
    );
    expect(inVerification).toHaveLength(1);
    expect(inRateLimit).toEqual(inVerification);
  });
});
