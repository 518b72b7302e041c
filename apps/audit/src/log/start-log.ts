import { type Host } from '@countersign/hosting';
import { type Database } from '@countersign/persistence';
import { ServiceError, WokenLoop } from '@countersign/runtime';
import { EVENT_SOURCE } from './event-source.js';
import { type LogSequencer } from './log.ports.js';

/** Most facts of one batch of the sequencer. */
const MAX_BATCH_SIZE = 1_024;
/** How long a fact waits for others to share its batch, in milliseconds. */
const BATCH_LINGER_MS = 100;
/** How often a copy looks for facts that a copy stored before it ended, in milliseconds. */
const POLL_MS = 1_000;

/** The sequencer and the publisher of one copy of the audit service. */
export interface RunningLog {
  /** Call after facts were stored in the inbox. */
  onAppended(facts: number): void;
}

/**
 * Sequences and publishes facts until the host closes. Every copy does both. Copies take turns, each batch is published in
 * the order of its indexes, and no copy needs to be chosen.
 */
export function startLog(host: Host, database: Database, sequencer: LogSequencer): RunningLog {
  // The sequencer has gathered a batch already.
  const relay = host.relay(database, { source: EVENT_SOURCE, lingerMs: 0 });
  let waiting = 0;
  const sequenceAll = async (): Promise<boolean> => {
    waiting = 0;
    try {
      let taken: number;
      do {
        ({ taken } = await sequencer.sequence(MAX_BATCH_SIZE));
        if (taken > 0) relay.wake();
      } while (taken === MAX_BATCH_SIZE);
      return true;
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'SETTINGS_INVALID') host.fatal(error);
      else host.logger.warn({ err: error }, 'facts could not be sequenced; retrying');
      return false;
    }
  };
  const loop = new WokenLoop({ work: sequenceAll, lingerMs: BATCH_LINGER_MS, pollMs: POLL_MS });
  loop.start();
  // Closes before the relay, which publishes its last batch.
  host.onClose(() => loop.close());
  return {
    onAppended: (facts) => {
      waiting += facts;
      if (waiting >= MAX_BATCH_SIZE) loop.hurry();
      else loop.wake();
    },
  };
}
