import { deliveryTables, Migration } from '@countersign/persistence';

/** Finds records that end the process. */
export class VerificationDeliveries1764000100001 extends Migration {
  override readonly statements = deliveryTables('verification');
}
