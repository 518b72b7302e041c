import { TOPICS } from '@countersign/contracts';
import { consumeRecords, type Host } from '@countersign/hosting';
import { type Database } from '@countersign/persistence';
import { type VerifierKey } from '@countersign/transparency-log';
import { AcceptCheckpoint } from './accept-checkpoint.use-case.js';
import { type Checkpoints } from './checkpoints.ports.js';
import { CHECKPOINTS_GROUP, NO_LOG_KEYS } from './log-keys.js';

/**
 * Accepts signed checkpoints until the host closes. Without keys none is read, so a later start with keys reads all of them.
 * @throws ServiceError BROKER_UNAVAILABLE
 */
export async function consumeCheckpoints(
  host: Host,
  database: Database,
  checkpoints: Checkpoints,
  keys: readonly VerifierKey[],
): Promise<void> {
  if (keys.length === 0) return host.logger.warn(NO_LOG_KEYS);
  const accepting = new AcceptCheckpoint(checkpoints, keys);
  await consumeRecords({
    // All records have one key, so more in flight would not run in parallel.
    ...{ host, database, group: CHECKPOINTS_GROUP, topic: TOPICS.auditCheckpoints.name, maxInFlight: 1 },
    handle: ({ key, value }) => accepting.accept({ origin: key, note: value }),
  });
}
