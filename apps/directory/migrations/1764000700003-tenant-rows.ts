import { Migration, tenantRows } from '@countersign/persistence';

/** Keeps the rows of tenants apart. */
export class DirectoryTenantRows1764000700003 extends Migration {
  override readonly statements = tenantRows('directory', ['tenants', 'agents']);
}
