import { deliveryTables, Migration } from '@countersign/persistence';

/** Finds records that end the process. */
export class AuditDeliveries1764000100004 extends Migration {
  override readonly statements = deliveryTables('audit');
}
