import { setTimeout as sleep } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import { ServiceError } from '@countersign/runtime';
import { identifierKeys, rekey, type IdentifierKey } from '@countersign/stored-secrets';
import { requireHash, type Store } from '../terminal/with-store.js';
import { table, type Write } from '../terminal/terminal.js';

/** How often it is looked whether the old key may leave, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * Takes the new key of IDENTIFIER_KEY into use, and waits until the old one may leave the settings. May be stopped and run again.
 * @throws ServiceError SETTINGS_INVALID; also when the old key has to stay, and it is not to be waited
 */
export async function rekeyAll(store: Store, options: { wait: boolean }, write: Write): Promise<void> {
  const hash = requireHash(store);
  const bar = new SingleBar({
    format: '{bar} {percentage} %, {left} seconds left until the old key is needed no more',
    stream: process.stderr,
    hideCursor: true,
  });
  let longest = 0;
  try {
    for (;;) {
      const result = await rekey(store.database, hash.checks);
      if (result.kind === 'unchanged')
        return write(`nothing to do: the key ${result.key} is in use, and no new one is held`);
      if (result.kind === 'done') {
        bar.stop();
        write(`the key ${result.key} is in use`);
        return write(
          `Next: take ${result.retired.join(', ')} out of IDENTIFIER_KEY of every service, one after the other.`,
        );
      }
      const { until, secondsLeft, overrides } = result.wait;
      if (overrides > 0 || !options.wait) throw notYet(result.key, until, overrides);
      if (longest === 0) bar.start((longest = secondsLeft), 0, { left: secondsLeft });
      bar.update(Math.max(0, longest - secondsLeft), { left: secondsLeft });
      await sleep(Math.min(LOOK_MS, secondsLeft * 1000));
    }
  } finally {
    bar.stop();
  }
}

function notYet(key: string, until: Date, overrides: number): ServiceError {
  const why =
    overrides > 0
      ? `${overrides} overrides of limits know their callers by the old key alone: set them again, or wait until they end`
      : 'limits were counted under the old key alone';
  return new ServiceError(
    'SETTINGS_INVALID',
    `Every service must hold the key ${key} and the old one until ${until.toISOString()}: ${why}. Then run keys rekey again.`,
    false,
  );
}

/** What each key of IDENTIFIER_KEY is for now. */
export async function identifierKeyStatus({ database, hash }: Store, write: Write): Promise<void> {
  const keys = await identifierKeys(database);
  if (keys.length === 0) return;
  const rows = keys.map((key) => [
    key.keyId,
    meaningOf(key),
    hash === undefined ? '' : hash.checks.some(({ keyId }) => keyId === key.keyId) ? 'held' : 'not held',
  ]);
  write(table(['IDENTIFIER_KEY', 'is', 'in this setting'], rows));
}

function meaningOf({ state, readyAt }: IdentifierKey): string {
  switch (state) {
    case 'added':
      return 'new: when every service holds it, run keys rekey';
    case 'required':
      return 'in use: every service must hold it';
    case 'taking_over':
      return `in use beside the old one, until keys rekey has ended${readyAt ? `, not before ${readyAt.toISOString()}` : ''}`;
    case 'retired':
      return 'not needed any more: take it out of every service';
  }
}
