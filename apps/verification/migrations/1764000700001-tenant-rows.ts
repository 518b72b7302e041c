import { Migration, tenantRows } from '@countersign/persistence';

/** Keeps the rows of tenants apart. Outbox, inbox and stored replies have no tenant: they are found by ids. */
export class VerificationTenantRows1764000700001 extends Migration {
  override readonly statements = tenantRows('verification', [
    'subjects',
    'subject_phones',
    'subject_keys',
    'credentials',
    'guards',
    'attempts',
    'receipts_consumed',
  ]);
}
