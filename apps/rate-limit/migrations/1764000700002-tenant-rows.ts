import { Migration, tenantRows } from '@countersign/persistence';

/** Keeps the rows of tenants apart. Counters have no tenant: their keys are hashes over it. */
export class RateLimitTenantRows1764000700002 extends Migration {
  override readonly statements = tenantRows('rate_limit', ['overrides', 'stricter']);
}
