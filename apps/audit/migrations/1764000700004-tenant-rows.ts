import { Migration, tenantRows } from '@countersign/persistence';

/** Keeps the rows of tenants apart. */
export class AuditTenantRows1764000700004 extends Migration {
  override readonly statements = tenantRows('audit', ['entries']);
}
