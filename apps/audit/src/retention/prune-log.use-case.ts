import { v5 as uuidFrom } from 'uuid';
import { factRecorded, INSTALLATION, type FactRecorded } from '@countersign/contracts';
import { type OldEntries, type DuePruning } from './retention.ports.js';

/**
 * Namespace of the ids of events `log.pruned` (UUID v5, with version 8). The same pruning always has the same id, so copies and
 * restarts state it once.
 */
const NAMESPACE = '7d3b7b0e-9a1c-4c57-8f0a-5e2f9a6d1c44';
/** Batches of one run, so a run ends soon when the service stops. */
const MAX_BATCHES = 50;

/**
 * Removes the entries of old shards, in steps that any copy continues: the log states the removal, a signed checkpoint covers
 * that statement, and only then entries are removed, in batches, the oldest first.
 */
export class PruneLog {
  constructor(
    private readonly entries: OldEntries,
    private readonly record: (facts: readonly FactRecorded[]) => Promise<void>,
    private readonly retentionDays: number,
  ) {}

  /** Does what can be done now. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async prune(): Promise<void> {
    const due = await this.entries.due(this.retentionDays);
    if (due !== undefined) {
      const eventId = idOf(due);
      const state = await this.entries.permit(due, eventId);
      if (state === 'not logged') await this.record([statementOf(due, eventId)]);
    }
    let from: number | undefined = 0;
    for (let batch = 0; batch < MAX_BATCHES && from !== undefined; batch++) from = await this.entries.remove(from);
  }
}

/** Of version 8, which no fact from a topic may have: whoever recorded this id first would prevent the pruning for ever. */
function idOf({ below }: DuePruning): string {
  const id = uuidFrom(`log.pruned ${below}`, NAMESPACE);
  return `${id.slice(0, 14)}8${id.slice(15)}`;
}

/** States the whole range of removed entries, so the latest statement is enough for whoever verifies the log. */
function statementOf({ shard, below, size, root }: DuePruning, factId: string): FactRecorded {
  const detail = { shard, from: 0, to: below - 1, size, root: root.toString('base64') };
  return factRecorded('log.pruned', new Date(), { factId, tenant: INSTALLATION, detail });
}
