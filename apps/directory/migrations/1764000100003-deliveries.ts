import { deliveryTables, Migration } from '@countersign/persistence';

/** Finds records that end the process. */
export class DirectoryDeliveries1764000100003 extends Migration {
  override readonly statements = deliveryTables('directory');
}
