import { type Host } from '@countersign/hosting';
import { type Database } from '@countersign/persistence';
import { ServiceError, WokenLoop } from '@countersign/runtime';
import { EVENT_SOURCE } from './event-source.js';
import { type LogSequencer } from './log.ports.js';

/** Most facts of one batch from the inbox. */
const MAX_BATCH_SIZE = 1_024;
/** How often a copy looks for facts in the inbox, in milliseconds. Only builds before this one store facts there. */
const POLL_MS = 1_000;

/** The publisher of one copy of the audit service. */
export interface RunningLog {
  /** Call after facts were added to the log. */
  onAppended(): void;
}

/**
 * Publishes the log, and sequences the facts in the inbox, until the host closes. Every copy does both. Copies take turns, each
 * batch is published in the order of its indexes, and no copy needs to be chosen.
 */
export function startLog(host: Host, database: Database, sequencer: LogSequencer): RunningLog {
  // A batch has been gathered already.
  const relay = host.relay(database, { source: EVENT_SOURCE, lingerMs: 0 });
  const sequenceInbox = async (): Promise<boolean> => {
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
  const loop = new WokenLoop({ work: sequenceInbox, lingerMs: 0, pollMs: POLL_MS });
  loop.start();
  // Closes before the relay, which publishes its last batch.
  host.onClose(() => loop.close());
  return { onAppended: () => relay.wake() };
}
