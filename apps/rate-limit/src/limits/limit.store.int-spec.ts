import fc from 'fast-check';
import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { LIMIT_DIMENSIONS, type LimitDimension, untimedFact, type UntimedFact } from '@countersign/contracts';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase, metricValue, TEST_ACTOR } from '@countersign/testing';
import { RATE_LIMIT_MIGRATIONS } from '../../migrations/index.js';
import { decideLimits, type LimitCounterState } from './limit.decision.js';
import { type LimitDecision } from './limits.ports.js';
import { EXACT_LIMIT, type LimitRule } from './rule.decision.js';
import { overrideResource, type StoredOverride } from '../overrides/limit-rules.decision.js';
import { type NewOverride } from '../overrides/overrides.ports.js';
import { OutboxFactLog } from '../refusals/fact-log.store.js';
import { PostgresLimitStore } from './limit.store.js';
import { number, limitRequestOf } from '../../test/limit-store-bed.js';
import { limitStoreContract } from '../../test/limit-store.contract.js';
import { PostgresOverrideStore, RATE_LIMIT_ENTITIES } from '../overrides/overrides.store.js';

// Thousands of statements, on machines that run other tests at the same time.
jest.setTimeout(60_000);

let databases: Database[];
let drop: () => Promise<void>;
let stores: PostgresLimitStore[];

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const open = (): Promise<Database> =>
    openDatabase({
      url: test.url,
      schema: 'rate_limit',
      migrations: RATE_LIMIT_MIGRATIONS,
      entities: RATE_LIMIT_ENTITIES,
      applicationName: 'test',
      poolSize: 10,
    });
  databases = await Promise.all([open(), open()]);
  stores = databases.map((database) => new PostgresLimitStore(database));
});

afterAll(async () => {
  await Promise.all(databases.map((database) => database.close()));
  await drop();
});

const query = <T>(sql: string, params: unknown[] = []): Promise<T[]> =>
  (databases[0] as Database).forAllTenants().query<T>(sql, params);

const storeOf = (at: number): PostgresLimitStore => stores[at % 2] as PostgresLimitStore;

/** @param keys the counters to age; default: all */
async function advance(seconds: number, keys?: readonly string[]): Promise<void> {
  await query(
    `UPDATE rate_limit.counters SET expires_ms = expires_ms - $1, tat = tat - $1, members_tat = members_tat - $1,
       admitted_at = ARRAY(SELECT at - $1 FROM unnest(admitted_at) at), commands_at = ARRAY(SELECT at - $1 FROM unnest(commands_at) at),
       members_at = ARRAY(SELECT at - $1 FROM unnest(members_at) at)
     WHERE $2::uuid[] IS NULL OR key = ANY ($2)`,
    [seconds * 1000, keys ?? null],
  );
}

const fact = (): UntimedFact => untimedFact('limit.refused', { tenant: 'acme' });

describe('the PostgreSQL limit store', () => {
  limitStoreContract(() => {
    const settings = new PostgresOverrideStore(databases[0] as Database, () => undefined);
    const reset = (dimension: LimitDimension, key: string): Promise<void> => settings.reset(dimension, [key], fact());
    return Promise.resolve({ store: storeOf(0), reset, advance });
  });

  it('admits exactly the limits of many callers and of their tenant, over two replicas that decide in batches', async () => {
    const [tenant, callers] = [randomUUID(), Array.from({ length: 10 }, () => randomUUID())];
    const rules = { caller: { limit: 7, periodSeconds: 60 }, tenant: { limit: 50, periodSeconds: 60 } };
    const decisions = await Promise.all(
      Array.from({ length: 400 }, async (_, at) => {
        const caller = callers[(at * 3) % callers.length] ?? '';
        return { caller, ...(await storeOf(at).admit(limitRequestOf({ caller, tenant }, rules))) };
      }),
    );
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(50);
    for (const caller of callers) {
      const admitted = decisions.filter((decision) => decision.caller === caller && decision.admitted);
      expect(admitted.length).toBeLessThanOrEqual(7);
    }
    const [row] = await query<{ admitted_at: number[] }>('SELECT admitted_at FROM rate_limit.counters WHERE key = $1', [
      tenant,
    ]);
    expect(row?.admitted_at).toHaveLength(50);
  });

  it('decides like the pure function for random requests, rules and times, alone and in batches', async () => {
    // All times are multiples of 100 s, so the time that a statement takes changes no decision.
    const hundreds = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max }).map((n) => n * 100);
    const rule = fc.oneof(
      fc.record({ limit: fc.integer({ min: 1, max: 5 }), periodSeconds: hundreds(30) }),
      fc
        .record({ limit: fc.integer({ min: 65, max: 200 }), each: hundreds(10), burst: fc.integer({ min: 1, max: 5 }) })
        .map(({ limit, each, burst }): LimitRule => ({ limit, periodSeconds: limit * each, burst })),
    );
    const sequences = fc.record({
      rules: fc.tuple(rule, rule, rule, rule, rule, rule),
      shadow: fc.subarray([...LIMIT_DIMENSIONS], { maxLength: 2 }),
      steps: fc.array(
        fc.record({
          // Without a wait, the request is in the same batch as the one before.
          wait: fc.oneof(
            fc.constant(0),
            fc.integer({ min: 0, max: 15 }).map((n) => n * 100),
          ),
          subject: fc.integer({ min: 0, max: 4 }),
          isRepeated: fc.boolean(),
          repeatSeconds: hundreds(15),
        }),
        { minLength: 1, maxLength: 15 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(sequences, async ({ rules, shadow, steps }) => {
        const of = Object.fromEntries(LIMIT_DIMENSIONS.map((name, at) => [name, rules[at]])) as Record<
          LimitDimension,
          LimitRule
        >;
        const keys = { caller: randomUUID(), call: randomUUID(), agent: randomUUID(), tenant: randomUUID() };
        const subjects = Array.from({ length: 5 }, () => ({ key: randomUUID(), member: number() }));
        const counters = new Map<string, LimitCounterState>();
        let now = 0;
        let command = number();
        let batch: Promise<void>[] = [];
        for (const { wait, subject, isRepeated, repeatSeconds } of steps) {
          if (wait > 0) {
            await Promise.all(batch);
            batch = [];
            now += wait * 1000;
            await advance(wait, [...counters.keys()]);
          }
          if (!isRepeated) command = number();
          const { key = '', member = '' } = subjects[subject] ?? {};
          const request = limitRequestOf({ ...keys, subject: key }, of, { command, repeatSeconds, member, shadow });
          const expected = decideLimits(counters, request, now);
          const [admittedAt, exact] = [now, (dimension: LimitDimension) => of[dimension].limit <= EXACT_LIMIT];
          const check = (decision: LimitDecision): void => {
            expect(decision).toMatchObject({ admitted: expected.admitted, shadowRefusals: expected.shadowRefusals });
            // Statements take time, so which of two limits with nearly the same wait is reported is chance. The contract
            // suite checks the dimension.
            expect(decision.refusedBy === undefined).toBe(expected.refusedBy === undefined);
            expect(decision.nearLimit.filter(exact)).toEqual(expected.nearLimit.filter(exact));
            const expectedWait = expected.refusedBy ? expected.refusedBy.retryAt - admittedAt : 0;
            expect(Math.abs((decision.refusedBy?.retryAfterMs ?? 0) - expectedWait)).toBeLessThan(50_000);
          };
          batch.push(storeOf(0).admit(request).then(check));
        }
        await Promise.all(batch);
      }),
      { numRuns: 40 },
    );
  });

  it('purges the counters that can refuse no request any more, in batches, and only those', async () => {
    const [old, fresh] = [randomUUID(), randomUUID()];
    const short = { limit: 1, periodSeconds: 60 };
    const all = Object.fromEntries(LIMIT_DIMENSIONS.map((name) => [name, short]));
    await storeOf(0).admit(limitRequestOf({ caller: old }, all));
    await query('INSERT INTO rate_limit.counters (key) SELECT gen_random_uuid() FROM generate_series(1, 5000)');
    await advance(120);
    await storeOf(0).admit(limitRequestOf({ caller: fresh }, all));
    await storeOf(0).purge();
    const rows = await query<{ key: string }>('SELECT key FROM rate_limit.counters WHERE key = ANY ($1)', [
      [old, fresh],
    ]);
    expect(rows.map(({ key }) => key)).toEqual([fresh]);
    const [remaining] = await query<{ n: number }>(
      'SELECT count(*)::int AS n FROM rate_limit.counters WHERE expires_ms = 0',
    );
    expect(remaining?.n).toBe(0);
  });

  it('keeps the counter of a caller as long as its command may be repeated for free', async () => {
    const caller = randomUUID();
    const all = Object.fromEntries(LIMIT_DIMENSIONS.map((name) => [name, { limit: 1, periodSeconds: 60 }]));
    const request = limitRequestOf({ caller }, all, { repeatSeconds: 3600 });
    await storeOf(0).admit(request);
    const kept = async (): Promise<number> => {
      await storeOf(0).purge();
      return (await query('SELECT 1 FROM rate_limit.counters WHERE key = $1', [caller])).length;
    };
    await advance(3500, [caller]);
    expect(await kept()).toBe(1);
    await advance(101, [caller]);
    expect(await kept()).toBe(0);
  });

  it('records facts with the time of the database', async () => {
    const one = fact();
    await new OutboxFactLog(databases[0] as Database, () => undefined).record([one]);
    const [row] = await query<{ payload: string }>('SELECT payload FROM rate_limit.outbox WHERE id = $1', [one.factId]);
    const { time } = JSON.parse(row?.payload ?? '{}') as { time: string };
    expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });
});

describe('the PostgreSQL override store', () => {
  const open = (): PostgresOverrideStore => new PostgresOverrideStore(databases[0] as Database, () => undefined);
  const override: Omit<NewOverride, 'id' | 'actor' | 'expiresAt'> = {
    ...{ dimension: 'caller', target: '', names: [], limit: 3, periodSeconds: 60, reason: "it's “one number”" },
  };
  const always = (): boolean => true;
  const ended = (reason: string): Promise<number> => metricValue('countersign_limit_overrides_ended_total', { reason });
  const added = (more: Partial<NewOverride> = {}): NewOverride => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    return { ...override, id: randomUUID(), actor: TEST_ACTOR, expiresAt, ...more };
  };

  it('returns an override until it ends, and changes the version with every change', async () => {
    const store = open();
    const before = await store.version();
    expect(await store.override('acme', added(), fact(), always)).toMatchObject(override);
    const { changes, resets } = await store.version();
    expect([changes === before.changes, resets]).toEqual([false, before.resets]);
    const settings = (await store.read()).get('acme');
    expect(settings?.overrides).toMatchObject([override]);
    await query(`UPDATE rate_limit.overrides SET expires_at = clock_timestamp() - interval '1 s'`);
    expect((await store.read()).get('acme')).toBeUndefined();
    await store.purge();
  });

  it('stores neither an override that has ended nor its fact', async () => {
    const none = fact();
    const expiresAt = new Date(Date.now() - 60_000).toISOString();
    expect(await open().override('acme', added({ expiresAt }), none, always)).toBe('ended');
    expect(await query('SELECT 1 FROM rate_limit.outbox WHERE id = $1', [none.factId])).toEqual([]);
  });

  it('lists, finds and deletes the overrides of one tenant, and none that has ended', async () => {
    const store = open();
    const before = [await ended('deleted'), await ended('expired')] as const;
    const names = ['k1', 'k2'].map((keyId) => ({ keyId, target: `caller under ${keyId}` }));
    const sent = [
      added({ dimension: 'subject', target: 'id:c-1', shadow: true }),
      added({ target: 'caller under k1', names }),
      added({ dimension: 'agent', target: 'desk' }),
    ].sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const one of sent) await store.override('globex', one, fact(), always);
    const idsOf = (overrides: readonly StoredOverride[]): string[] => overrides.map(({ id }) => id);
    const listed = await store.list('globex', { limit: 10 });
    expect(listed).toMatchObject(sent.map((one) => ({ ...one, expiresAt: new Date(one.expiresAt) })));
    expect(listed.map(overrideResource)).toContainEqual({
      ...{ id: sent.find(({ dimension }) => dimension === 'subject')?.id, dimension: 'subject', subject: 'c-1' },
      ...{ limit: 3, periodSeconds: 60, shadow: true, reason: override.reason, actor: TEST_ACTOR },
      ...{ createdAt: expect.any(String) as string, expiresAt: expect.any(String) as string },
    });
    const [first, second, third] = idsOf(listed);
    expect(idsOf(await store.list('globex', { limit: 2 }))).toEqual([first, second]);
    expect(idsOf(await store.list('globex', { limit: 2, after: second }))).toEqual([third]);
    const agents = await store.list('globex', { limit: 9, dimensions: ['agent', 'call'] });
    expect(agents.map(({ target }) => target)).toEqual(['desk']);
    const named = await store.list('globex', { limit: 9, targets: ['caller under k2', 'id:c-2'] });
    expect(named.map(({ target }) => target)).toEqual(['caller under k1']);
    expect(await store.list('other', { limit: 9 })).toEqual([]);
    const id = String(first);
    expect((await store.find('globex', id))?.id).toBe(id);
    expect(await store.find('other', id)).toBeUndefined();
    expect(await store.delete('other', id, fact(), always)).toBe('missing');
    const kept = fact();
    expect(await store.delete('globex', id, kept, ({ actor }) => actor?.kind !== 'administrator')).toBe('kept');
    const { changes } = await store.version();
    const facts = Array.from({ length: 20 }, fact);
    const deleted = await Promise.all(facts.map((one) => store.delete('globex', id, one, always)));
    expect(deleted.filter((result) => result === 'deleted')).toHaveLength(1);
    expect((await store.version()).changes).not.toBe(changes);
    const recorded = await query('SELECT 1 FROM rate_limit.outbox WHERE id = ANY ($1::uuid[])', [
      [kept, ...facts].map(({ factId }) => factId),
    ]);
    expect(recorded).toHaveLength(1);
    expect(idsOf((await store.read()).get('globex')?.overrides as unknown as StoredOverride[]).sort()).toEqual([
      ...[second, third],
    ]);
    await query(`UPDATE rate_limit.overrides SET expires_at = clock_timestamp() - interval '1 s'`);
    expect(await store.list('globex', { limit: 9 })).toEqual([]);
    expect(await store.find('globex', String(second))).toBeUndefined();
    await store.purge();
    expect(await query('SELECT 1 FROM rate_limit.overrides')).toEqual([]);
    expect([await ended('deleted'), await ended('expired')]).toEqual([before[0] + 1, before[1] + 2]);
  });

  it('replaces an override of the same target under any of its names, unless it must be kept', async () => {
    const store = open();
    const names = (...keyIds: string[]) => keyIds.map((keyId) => ({ keyId, target: `caller under ${keyId}` }));
    const first = added({ target: 'caller under k1', names: names('k1', 'k2') });
    const second = added({ target: 'caller under k2', names: names('k2', 'k3'), limit: 7 });
    await store.override('initech', first, fact(), always);
    expect(await store.override('initech', second, fact(), ({ limit }) => limit !== 3)).toBe('kept');
    expect(await store.list('initech', { limit: 9 })).toMatchObject([{ id: first.id }]);
    expect(await store.override('initech', second, fact(), always)).toMatchObject({ id: second.id, limit: 7 });
    expect(await store.list('initech', { limit: 9 })).toMatchObject([{ id: second.id }]);
    // A command that is delivered twice makes one override.
    const replaced = await ended('replaced');
    expect(await store.override('initech', second, fact(), always)).toMatchObject({ id: second.id });
    expect(await store.list('initech', { limit: 9 })).toHaveLength(1);
    expect([replaced, await ended('replaced')]).toEqual([1, 1]);
  });

  it('compares a new override with that of the whole dimension, which it does not replace', async () => {
    const store = open();
    await store.override('hooli', added({ limit: 2 }), fact(), always);
    const one = added({ target: 'caller under k1', names: [{ keyId: 'k1', target: 'caller under k1' }] });
    const compared: number[] = [];
    const refuses = ({ limit }: StoredOverride): boolean => compared.push(limit) === 0;
    expect(await store.override('hooli', one, fact(), refuses)).toBe('kept');
    expect(compared).toEqual([2]);
    expect(await store.override('hooli', one, fact(), always)).toMatchObject({ id: one.id });
    expect((await store.list('hooli', { limit: 9 })).map(({ target }) => target).sort()).toEqual(['', one.target]);
    expect(await store.override('hooli', added({ dimension: 'call' }), fact(), () => false)).toMatchObject({
      limit: 3,
    });
  });

  it('has at most 500 overrides of a tenant in force, and replaces one of them all the same', async () => {
    const store = open();
    await query(`INSERT INTO rate_limit.overrides
        (tenant, dimension, target, targets, key_ids, max_requests, period_seconds, reason, expires_at)
      SELECT 'massive', 'agent', 'agent-' || n, ARRAY['agent-' || n], '{}', 3, 60, '-', clock_timestamp() + interval '1 h'
      FROM generate_series(1, 500) AS n`);
    const none = fact();
    expect(await store.override('massive', added(), none, always)).toBe('full');
    expect(await query('SELECT 1 FROM rate_limit.outbox WHERE id = $1', [none.factId])).toEqual([]);
    const same = added({ dimension: 'agent', target: 'agent-7' });
    expect(await store.override('massive', same, fact(), always)).toMatchObject({ id: same.id });
    await query(
      `UPDATE rate_limit.overrides SET expires_at = clock_timestamp() - interval '1 s' WHERE target = 'agent-9'`,
    );
    expect(await store.override('massive', added(), fact(), always)).toMatchObject({ limit: 3 });
    expect((await store.read()).get('massive')?.overrides).toHaveLength(500);
  });

  it('resets a counter and records the fact, or does neither', async () => {
    const caller = randomUUID();
    const request = limitRequestOf({ caller }, { caller: { limit: 1, periodSeconds: 60 } });
    await storeOf(0).admit(request);
    const used = (): Promise<{ n: number }[]> =>
      query('SELECT cardinality(admitted_at) AS n FROM rate_limit.counters WHERE key = $1', [caller]);
    const unwritable = Object.assign(fact(), { factId: 'no UUID' });
    const before = await open().version();
    await expect(open().reset('caller', [caller], unwritable)).rejects.toThrow();
    expect([await used(), await open().version()]).toEqual([[{ n: 1 }], before]);
    const once = fact();
    await open().reset('caller', [caller], once);
    expect(await used()).toEqual([{ n: 0 }]);
    const { changes, resets } = await open().version();
    expect([changes === before.changes, resets === before.resets]).toEqual([false, false]);
    expect(await query('SELECT 1 FROM rate_limit.outbox WHERE id = $1', [once.factId])).toHaveLength(1);
  });

  it('never shortens the time for which limits are tightened', async () => {
    const store = open();
    await store.tighten('umbrella', 600, fact());
    await store.tighten('umbrella', 10, fact());
    expect((await store.read()).get('umbrella')?.tightenedUntil).toBeGreaterThan(500_000);
  });

  it('tightens the limits of a tenant once for simultaneous signals, and again when less than half of the time remains', async () => {
    const store = open();
    const facts = Array.from({ length: 20 }, fact);
    const done = await Promise.all(facts.map((one) => store.tighten('hooli', 600, one)));
    expect(done.filter(Boolean)).toHaveLength(1);
    const recorded = await query('SELECT 1 FROM rate_limit.outbox WHERE id = ANY ($1::uuid[])', [
      facts.map(({ factId }) => factId),
    ]);
    expect(recorded).toHaveLength(1);
    await query(`UPDATE rate_limit.tightened_limits SET ends_at = ends_at - interval '290 s' WHERE tenant = 'hooli'`);
    expect(await store.tighten('hooli', 600, fact())).toBe(false);
    await query(`UPDATE rate_limit.tightened_limits SET ends_at = ends_at - interval '20 s' WHERE tenant = 'hooli'`);
    expect(await store.tighten('hooli', 600, fact())).toBe(true);
    expect((await store.read()).get('hooli')?.tightenedUntil).toBeGreaterThan(550_000);
  });
});
