import { type UntimedFact, type LimitDimension } from '@countersign/contracts';
import { type Database, type Sql } from '@countersign/persistence';
import { type LimitOverride, type LimitSettings, type TenantLimitSettings } from './limit-rules.decision.js';
import { OverrideStore, type OverridesVersion } from '../limits/limits.ports.js';
import { ADD_FACTS, rowOf } from '../refusals/fact-log.store.js';

interface OverrideRow {
  readonly tenant: string;
  readonly dimension: LimitDimension;
  readonly target: string;
  readonly key_ids: readonly string[];
  readonly targets: readonly string[];
  readonly max_requests: number;
  readonly period_seconds: number;
  readonly reason_key: string;
  readonly remaining_ms: number;
}

const FIND_VERSION = `SELECT
    changes::text,
    resets::text
  FROM rate_limit.settings_version`;

const FIND_OVERRIDES = `SELECT
    tenant,
    dimension,
    target,
    max_requests,
    period_seconds,
    reason_key,
    key_ids,
    targets,
    (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::float8 AS remaining_ms
  FROM rate_limit.overrides
  WHERE expires_at > clock_timestamp()`;

const FIND_TIGHTENED = `SELECT
    tenant,
    (extract(epoch FROM ends_at - clock_timestamp()) * 1000)::float8 AS remaining_ms
  FROM rate_limit.tightened_limits
  WHERE ends_at > clock_timestamp()`;

/** Removes an override that was set under another name of the same target. */
const REPLACE_OVERRIDE = `DELETE FROM rate_limit.overrides
  WHERE tenant = $1
    AND dimension = $2
    AND targets && $3::text[]
    AND $4::timestamptz > clock_timestamp()`;

const OVERRIDE = `INSERT INTO rate_limit.overrides (
    tenant,
    dimension,
    target,
    max_requests,
    period_seconds,
    reason_key,
    expires_at,
    key_ids,
    targets
  )
  SELECT $1, $2, $3, $4, $5, $6, $7::timestamptz, $8, $9
  WHERE $7::timestamptz > clock_timestamp()
  ON CONFLICT (tenant, dimension, target) DO UPDATE
  SET
    max_requests = EXCLUDED.max_requests,
    period_seconds = EXCLUDED.period_seconds,
    reason_key = EXCLUDED.reason_key,
    expires_at = EXCLUDED.expires_at,
    key_ids = EXCLUDED.key_ids,
    targets = EXCLUDED.targets
  RETURNING tenant`;

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

/** Overrides and tightened limits in PostgreSQL. Every change increments the version in its transaction. */
export class PostgresOverrideStore extends OverrideStore {
  constructor(
    private readonly database: Database,
    private readonly wakeRelay: () => void,
  ) {
    super();
  }

  override async version(): Promise<OverridesVersion> {
    const [row] = await this.database.prepared<OverridesVersion>('rate_limit.settings_version', FIND_VERSION);
    return row ?? { changes: '', resets: '' };
  }

  override async read(): Promise<LimitSettings> {
    const database = this.database.forAllTenants();
    const overrides = await database.query<OverrideRow>(FIND_OVERRIDES);
    const tightened = await database.query<{ tenant: string; remaining_ms: number }>(FIND_TIGHTENED);
    const settings = new Map<string, TenantLimitSettings>();
    const of = (tenant: string): TenantLimitSettings => settings.get(tenant) ?? { overrides: [], tightenedUntil: 0 };
    for (const { tenant, remaining_ms: tightenedUntil } of tightened)
      settings.set(tenant, { ...of(tenant), tightenedUntil });
    for (const row of overrides) {
      const {
        dimension,
        target,
        key_ids: keyIds,
        targets,
        max_requests: limit,
        period_seconds: periodSeconds,
        reason_key: reasonKey,
        remaining_ms: endsAt,
      } = row;
      const names = keyIds.map((keyId, at) => ({ keyId, target: targets[at] ?? '' }));
      const one = { dimension, target, names, limit, periodSeconds, reasonKey, endsAt };
      settings.set(row.tenant, { ...of(row.tenant), overrides: [...of(row.tenant).overrides, one] });
    }
    return settings;
  }

  override async override(
    tenant: string,
    override: LimitOverride & { readonly expiresAt: string },
    fact: UntimedFact,
  ): Promise<boolean> {
    const { dimension, target, names, limit, periodSeconds, reasonKey, expiresAt } = override;
    const targets = names.length === 0 ? [target] : names.map((name) => name.target);
    return this.#change(tenant, fact, async (tx) => {
      await tx.query(REPLACE_OVERRIDE, [tenant, dimension, targets, expiresAt]);
      const keyIds = names.map(({ keyId }) => keyId);
      const values = [tenant, dimension, target, limit, periodSeconds, reasonKey, expiresAt, keyIds, targets];
      return (await tx.query(OVERRIDE, values)).length > 0;
    });
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

  /** Removes overrides and tightened limits that have ended. */
  async purge(): Promise<void> {
    const database = this.database.forAllTenants();
    await database.query('DELETE FROM rate_limit.overrides WHERE expires_at < clock_timestamp()');
    await database.query('DELETE FROM rate_limit.tightened_limits WHERE ends_at < clock_timestamp()');
  }

  async #change(tenant: string, fact: UntimedFact, work: (tx: Sql) => Promise<boolean>): Promise<boolean> {
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
