import { factRecorded, INSTALLATION } from '@countersign/contracts';
import { type Host } from '@countersign/hosting';
import { toRecord } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { ServiceError, WokenLoop } from '@countersign/runtime';
import { LogRefused, REFUSAL_KINDS } from './refusal.js';
import { type SignCheckpoint } from './sign-checkpoint.use-case.js';

/** How often the log is read, in milliseconds. Checkpoints are kept without end: at most 86,400 a day, about 35 MB. */
const POLL_MS = 1_000;
/** Longest time between two checkpoints, in milliseconds. */
const REPEAT_MS = 60_000;

/** Signs until the host closes. While the log contradicts what was signed, it signs nothing and the service is not ready. */
export function runSigner(host: Host, signing: Pick<SignCheckpoint, 'sign' | 'last'>): void {
  let dueAt = 0;
  let confirmedAt = performance.now();
  let refusal: LogRefused | undefined;
  for (const kind of REFUSAL_KINDS) METRICS.logRefusals.inc({ kind }, 0);
  const hides = [
    METRICS.checkpointAge.read(() => [{ labels: {}, value: (performance.now() - confirmedAt) / 1_000 }]),
    METRICS.signedEntries.read(() => [{ labels: {}, value: signing.last?.size ?? 0 }]),
  ];
  host.health.add('log', () => refusal === undefined);

  const onRefused = (found: LogRefused): void => {
    const { kind, message, sizes } = found;
    // Once for each kind in a row: a rollback becomes a fork when the log grows again.
    if (refusal?.kind === kind) return;
    refusal = found;
    METRICS.logRefusals.inc({ kind });
    host.logger.error({ kind, ...sizes }, `the log is not signed: ${message}`);
    const fact = factRecorded('log.rolled_back', new Date(), {
      tenant: INSTALLATION,
      detail: { refusal: kind, ...sizes },
    });
    // Not awaited: a log that is damaged may take no event, and the signer must notice when it is repaired.
    host.broker.send([toRecord({ message: fact })]).catch((error: unknown) => {
      host.logger.error({ err: error }, 'the event log.rolled_back was not published');
    });
  };

  const work = async (): Promise<boolean> => {
    try {
      const now = performance.now();
      const isDue = now >= dueAt;
      const hasPublished = await signing.sign(isDue);
      if (hasPublished || isDue) {
        confirmedAt = performance.now();
        dueAt = now + REPEAT_MS;
      }
      if (refusal !== undefined) host.logger.warn('the log continues what was signed again: it is signed');
      refusal = undefined;
      return true;
    } catch (error) {
      if (error instanceof LogRefused) onRefused(error);
      else if (error instanceof ServiceError && error.code === 'SETTINGS_INVALID') host.fatal(error);
      else host.logger.warn({ err: error }, 'the log could not be signed; retrying');
      return false;
    }
  };
  const loop = new WokenLoop({ work, lingerMs: 0, pollMs: POLL_MS });
  loop.start();
  host.onClose(() => loop.close().finally(() => hides.forEach((hide) => hide())));
}
