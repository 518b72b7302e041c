import { MAX_OVERRIDES, type LimitDimension, type UntimedFact } from '@countersign/contracts';
import { METRICS } from '@countersign/observability';
import { databaseTime, type Database, type Transaction } from '@countersign/persistence';
import { ArrayOverlap, In, LessThanOrEqual, MoreThan } from 'typeorm';
import { ADD_FACTS, rowOf } from '../refusals/fact-log.store.js';
import { type LimitSettings, type StoredOverride, type TenantLimitSettings } from './limit-rules.decision.js';
import { OverrideEntity, TightenedLimitsEntity } from './override.entity.js';
import { OverrideStore, type NewOverride, type OverrideSelection, type OverridesVersion } from './overrides.ports.js';

/** The tables that the store reads and writes by TypeORM. */
export const RATE_LIMIT_ENTITIES = [OverrideEntity, TightenedLimitsEntity];

const FIND_VERSION = `SELECT
    changes::text,
    resets::text
  FROM rate_limit.settings_version`;

/** Does nothing while at least half of the time remains, see {@link OverrideStore.tighten}. */
const TIGHTEN = `INSERT INTO rate_limit.tightened_limits AS existing (tenant, ends_at)
  VALUES ($1, clock_timestamp() + make_interval(secs => $2::float8))
  ON CONFLICT (tenant) DO UPDATE
  SET ends_at = EXCLUDED.ends_at
  WHERE existing.ends_at < clock_timestamp() + make_interval(secs => $2::float8 / 2)
  RETURNING tenant`;

const RESET_MEMBERS = `UPDATE rate_limit.counters
  SET
    members = '{}',
    members_at = '{}',
    members_tat = 0
  WHERE key = ANY ($1::uuid[])`;

const RESET_ADMISSIONS = `UPDATE rate_limit.counters
  SET
    admitted_at = '{}',
    tat = 0,
    commands = '{}',
    commands_at = '{}'
  WHERE key = ANY ($1::uuid[])`;

/** How an override ends, as the metric counts it. */
const ENDS = ['expired', 'deleted', 'replaced', 'tenant_deleted'] as const;

/** Overrides and tightened limits in PostgreSQL. Every change increments the version in its transaction. */
export class PostgresOverrideStore extends OverrideStore {
  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
  ) {
    super();
    // Prometheus sees the first end as an increase only if the counter was 0 before it.
    for (const reason of ENDS) METRICS.overridesEnded.inc({ reason }, 0);
  }

  override async version(): Promise<OverridesVersion> {
    const [row] = await this.database.prepared<OverridesVersion>('rate_limit.settings_version', FIND_VERSION);
    return row ?? { changes: '', resets: '' };
  }

  override read(): Promise<LimitSettings> {
    return this.database.forAllTenants().transaction(async (tx) => {
      const now = await databaseTime(tx);
      const overrides = new Map<string, TenantLimitSettings['overrides'][number][]>();
      for (const row of await tx.entities.findBy(OverrideEntity, { expiresAt: MoreThan(now) })) {
        const { tenant, createdAt, expiresAt } = row;
        const ofTenant = overrides.get(tenant) ?? [];
        const fromNow = { setAt: Number(createdAt) - Number(now), endsAt: Number(expiresAt) - Number(now) };
        ofTenant.push({ ...storedOverride(row), ...fromNow });
        overrides.set(tenant, ofTenant);
      }
      const tightened = await tx.entities.findBy(TightenedLimitsEntity, { endsAt: MoreThan(now) });
      const tightenedUntil = new Map(tightened.map(({ tenant, endsAt }) => [tenant, Number(endsAt) - Number(now)]));
      return new Map(
        [...new Set([...overrides.keys(), ...tightenedUntil.keys()])].map((tenant) => [
          tenant,
          { overrides: overrides.get(tenant) ?? [], tightenedUntil: tightenedUntil.get(tenant) ?? 0 },
        ]),
      );
    });
  }

  override async override(
    tenant: string,
    { names, expiresAt, shadow = false, ...override }: NewOverride,
    fact: UntimedFact,
    isAllowed: (existing: StoredOverride) => boolean,
  ): Promise<StoredOverride | 'ended' | 'kept' | 'full'> {
    const { dimension, target } = override;
    const targets = names.length === 0 ? [target] : names.map((name) => name.target);
    const keyIds = names.map(({ keyId }) => keyId);
    let result: StoredOverride | 'ended' | 'kept' | 'full' = 'ended';
    let [replacedCount, expiredCount] = [0, 0];
    await this.#change(tenant, fact, async (tx) => {
      const createdAt = await databaseTime(tx);
      const row = { ...override, shadow, tenant, targets, keyIds, createdAt, expiresAt: new Date(expiresAt) };
      if (row.expiresAt <= createdAt) return false;
      // Also an override that was set under another name of the same target.
      const sameTarget = { tenant, dimension, targets: ArrayOverlap(targets) };
      const inForce = { tenant, expiresAt: MoreThan(createdAt) };
      const compared = { ...inForce, dimension, targets: ArrayOverlap([...targets, '']) };
      const existing = await tx.entities.findBy(OverrideEntity, compared);
      if (!existing.map(storedOverride).every(isAllowed)) {
        result = 'kept';
        return false;
      }
      const replaced = existing.filter((one) => one.targets.some((name) => targets.includes(name)));
      if ((await tx.entities.countBy(OverrideEntity, inForce)) - replaced.length >= MAX_OVERRIDES) {
        result = 'full';
        return false;
      }
      const { affected } = await tx.entities.delete(OverrideEntity, sameTarget);
      // A command that is delivered twice ends nothing.
      replacedCount = replaced.filter(({ id }) => id !== override.id).length;
      expiredCount = (affected ?? 0) - replaced.length;
      await tx.entities.upsert(OverrideEntity, row, ['tenant', 'dimension', 'target']);
      result = storedOverride(row);
      return true;
    });
    METRICS.overridesEnded.inc({ reason: 'replaced' }, replacedCount);
    METRICS.overridesEnded.inc({ reason: 'expired' }, expiredCount);
    return result;
  }

  override list(tenant: string, { limit, after, dimensions, targets }: OverrideSelection): Promise<StoredOverride[]> {
    return this.database.forTenants([tenant]).transaction(async (tx) => {
      const where = {
        tenant,
        expiresAt: MoreThan(await databaseTime(tx)),
        ...(after !== undefined && { id: MoreThan(after) }),
        ...(dimensions && { dimension: In(dimensions) }),
        ...(targets && { targets: ArrayOverlap(targets) }),
      };
      const rows = await tx.entities.find(OverrideEntity, { where, order: { id: 'ASC' }, take: limit });
      return rows.map(storedOverride);
    });
  }

  override find(tenant: string, id: string): Promise<StoredOverride | undefined> {
    return this.database.forTenants([tenant]).transaction((tx) => findOverride(tx, tenant, id));
  }

  override async delete(
    tenant: string,
    id: string,
    fact: UntimedFact,
    mayDelete: (existing: StoredOverride) => boolean,
  ): Promise<'deleted' | 'kept' | 'missing'> {
    let result: 'deleted' | 'kept' | 'missing' = 'missing';
    const isDeleted = await this.#change(tenant, fact, async (tx) => {
      const existing = await findOverride(tx, tenant, id);
      if (!existing) return false;
      result = mayDelete(existing) ? 'deleted' : 'kept';
      if (result === 'kept') return false;
      // A simultaneous deletion has removed the row and recorded the fact.
      const { affected } = await tx.entities.delete(OverrideEntity, { tenant, id });
      if (affected === 0) result = 'missing';
      return affected !== 0;
    });
    METRICS.overridesEnded.inc({ reason: 'deleted' }, isDeleted ? 1 : 0);
    return result;
  }

  override async tighten(tenant: string, seconds: number, fact: UntimedFact): Promise<boolean> {
    return this.#change(tenant, fact, async (tx) => (await tx.query(TIGHTEN, [tenant, seconds])).length > 0);
  }

  override async reset(dimension: LimitDimension, keys: readonly string[], fact: UntimedFact): Promise<void> {
    await this.#change(fact.tenant, fact, async (tx) => {
      await tx.query(dimension === 'subjectsPerCaller' ? RESET_MEMBERS : RESET_ADMISSIONS, [keys]);
      await tx.query('UPDATE rate_limit.settings_version SET resets = resets + 1');
      return true;
    });
  }

  override async eraseTenant(tenant: string): Promise<boolean> {
    const ended = await this.database.forTenants([tenant]).transaction(async (tx) => {
      const overrides = await tx.entities.delete(OverrideEntity, { tenant });
      const tightened = await tx.entities.delete(TightenedLimitsEntity, { tenant });
      if (overrides.affected !== 0 || tightened.affected !== 0)
        await tx.query('UPDATE rate_limit.settings_version SET changes = changes + 1');
      return overrides.affected ?? 0;
    });
    METRICS.overridesEnded.inc({ reason: 'tenant_deleted' }, ended);
    return true;
  }

  override async purge(): Promise<void> {
    const expired = await this.database.forAllTenants().transaction(async (tx) => {
      const now = await databaseTime(tx);
      await tx.entities.delete(TightenedLimitsEntity, { endsAt: LessThanOrEqual(now) });
      return tx.entities.delete(OverrideEntity, { expiresAt: LessThanOrEqual(now) });
    });
    METRICS.overridesEnded.inc({ reason: 'expired' }, expired.affected ?? 0);
  }

  async #change(tenant: string, fact: UntimedFact, work: (tx: Transaction) => Promise<boolean>): Promise<boolean> {
    const changed = await this.database.forTenants([tenant]).transaction(async (tx) => {
      if (!(await work(tx))) return false;
      await tx.query('UPDATE rate_limit.settings_version SET changes = changes + 1');
      await tx.query(ADD_FACTS, [[rowOf(fact)]]);
      return true;
    });
    if (changed) this.wakeRelay();
    return changed;
  }
}

async function findOverride(tx: Transaction, tenant: string, id: string): Promise<StoredOverride | undefined> {
  const row = await tx.entities.findOneBy(OverrideEntity, { tenant, id, expiresAt: MoreThan(await databaseTime(tx)) });
  return row ? storedOverride(row) : undefined;
}

function storedOverride({ tenant: _, keyIds, targets, ...override }: OverrideEntity): StoredOverride {
  return { ...override, names: keyIds.map((keyId, at) => ({ keyId, target: targets[at] ?? '' })) };
}
