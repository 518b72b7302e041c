import { type Broker } from '@countersign/messaging';
import { table, type Write } from '../terminal/terminal.js';

/** Lets a group continue that stopped because records were lost (RECORDS_LOST). */
export async function acceptLoss(
  broker: Broker,
  group: string,
  options: { readonly dryRun?: true },
  write: Write,
): Promise<void> {
  const partitions = await broker.acceptLoss(group, options.dryRun === true);
  if (partitions.length === 0) return write(`group ${group} has lost nothing`);
  const rows = partitions.map(({ topic, partition, from, to }) => [`${topic}/${partition}`, String(from), String(to)]);
  write(table(['partition', 'from', options.dryRun ? 'would continue at' : 'continues at'], rows));
}
