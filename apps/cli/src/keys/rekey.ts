import { setTimeout as sleep } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import { ServiceError } from '@countersign/runtime';
import { identifierKeys, rekey, type IdentifierKey } from '@countersign/stored-secrets';
import { requireHash, type Store } from '../terminal/with-store.js';
import { table, type Write } from '../terminal/terminal.js';

/** Interval of the checks whether the old key can be removed, in milliseconds. */
const CHECK_INTERVAL_MS = 1_000;

/**
 * Starts to use the new key of IDENTIFIER_KEY, and waits until the old one can be removed from the settings. Can be stopped
 * and run again.
 * @throws ServiceError SETTINGS_INVALID; also when the old key is still needed and `wait` is false or overrides need it
 */
export async function rekeyAll(store: Store, options: { wait: boolean }, write: Write): Promise<void> {
  const hash = requireHash(store);
  const bar = new SingleBar({
    format: '{bar} {percentage} %, {left} seconds until the old key can be removed',
    stream: process.stderr,
    hideCursor: true,
  });
  let longest = 0;
  try {
    for (;;) {
      const result = await rekey(store.database, hash.checks);
      if (result.kind === 'unchanged')
        return write(`nothing to do: the key ${result.key} is in use, and the setting has no new one`);
      if (result.kind === 'done') {
        bar.stop();
        write(`the key ${result.key} is in use`);
        return write(
          `Next: remove ${result.retired.join(', ')} from IDENTIFIER_KEY of every service, one after the other.`,
        );
      }
      const { until, secondsLeft, overrides } = result.wait;
      if (overrides > 0 || !options.wait) throw oldKeyNeeded(result.key, until, overrides);
      if (longest === 0) bar.start((longest = secondsLeft), 0, { left: secondsLeft });
      bar.update(Math.max(0, longest - secondsLeft), { left: secondsLeft });
      await sleep(Math.min(CHECK_INTERVAL_MS, secondsLeft * 1000));
    }
  } finally {
    bar.stop();
  }
}

function oldKeyNeeded(key: string, until: Date, overrides: number): ServiceError {
  const why =
    overrides > 0
      ? `${overrides} overrides of limits name their targets under the old key only: set them again, or wait until they end`
      : 'counters of limits have names under the old key only';
  return new ServiceError(
    'SETTINGS_INVALID',
    `Every service must hold the key ${key} and the old one until ${until.toISOString()}: ${why}. Then run keys rekey again.`,
    false,
  );
}

/** Prints the state of each key of IDENTIFIER_KEY. */
export async function identifierKeyStatus({ database, hash }: Store, write: Write): Promise<void> {
  const keys = await identifierKeys(database);
  if (keys.length === 0) return;
  const rows = keys.map((key) => [
    key.keyId,
    meaningOf(key),
    hash === undefined ? '' : hash.checks.some(({ keyId }) => keyId === key.keyId) ? 'held' : 'not held',
  ]);
  write(table(['IDENTIFIER_KEY', 'state', 'in this setting'], rows));
}

function meaningOf({ state, readyAt }: IdentifierKey): string {
  switch (state) {
    case 'added':
      return 'new: run keys rekey when every service holds it';
    case 'required':
      return 'in use: every service must hold it';
    case 'taking_over':
      return `in use together with the old one until keys rekey ends${readyAt ? `, not before ${readyAt.toISOString()}` : ''}`;
    case 'retired':
      return 'not needed: remove it from every service';
  }
}
