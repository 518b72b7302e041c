import { deliveryTables, Migration } from '@countersign/persistence';

/** Finds records that end the process. */
export class RateLimitDeliveries1764000100002 extends Migration {
  override readonly statements = deliveryTables('rate_limit');
}
