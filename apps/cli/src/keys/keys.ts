import { chownSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { SingleBar } from 'cli-progress';
import { receiptPublicKeysOf, Secret, withFirstKey, withNewKey } from '@countersign/crypto';
import { type Environment, ServiceError, withoutByteOrderMark } from '@countersign/runtime';
import { countKeyUse, countToRewrap, keyFault, rewrap } from '@countersign/stored-secrets';
import { identifierKeyStatus } from './rekey.js';
import { requireRecordedKeys, type Store } from '../terminal/with-store.js';
import { refusedSetting, table, type Write } from '../terminal/terminal.js';

/** Rows of each key, whether the ring has it, and whether the tables were written with these keys. */
export async function keyStatus(store: Store, write: Write): Promise<void> {
  const { database, keyring } = store;
  const rows = (await countKeyUse(database)).map(({ column, keyId, rows: n }) => [
    ...[column, keyId, String(n)],
    keyId === keyring.first ? 'wraps' : keyring.has(keyId) ? 'opens' : 'MISSING in CREDENTIAL_KEYS',
  ]);
  write(rows.length === 0 ? 'nothing is stored' : table(['what', 'key', 'rows', 'the key'], rows));
  const fault = await keyFault(database, keyring);
  if (fault !== undefined) throw refusedSetting(`CREDENTIAL_KEYS ${fault}`);
  await requireRecordedKeys(store);
  await identifierKeyStatus(store, write);
  if (!store.hash) write('IDENTIFIER_KEY is not given and was not compared');
}

/** @throws ServiceError SETTINGS_INVALID, DATABASE_UNAVAILABLE; INTERNAL when rows are left that nothing opens */
export async function rewrapAll({ database, keyring }: Store, write: Write): Promise<void> {
  const fault = await keyFault(database, keyring);
  if (fault !== undefined) throw refusedSetting(`CREDENTIAL_KEYS ${fault}`);
  const total = await countToRewrap({ database, keyring });
  const bar = new SingleBar({
    format: '{bar} {percentage} % of {total} rows, {rate} a second, {eta_formatted} left',
    stream: process.stderr,
    hideCursor: true,
  });
  const begun = performance.now();
  const rate = (rows: number): number => Math.round(rows / Math.max(0.001, (performance.now() - begun) / 1000));
  let done = 0;
  bar.start(total, 0, { rate: 0 });
  const results = await rewrap({
    database,
    keyring,
    onProgress: (rows) => {
      done += rows;
      bar.update(Math.min(done, total), { rate: rate(done) });
    },
  }).finally(() => bar.stop());
  const rewrapped = results.reduce((sum, result) => sum + result.rewrapped, 0);
  write(
    table(
      ['what', 'wrapped anew', 'broken'],
      results.map((r) => [r.column, String(r.rewrapped), String(r.broken)]),
    ),
  );
  write(`${rewrapped} rows under the key ${keyring.first}, ${rate(rewrapped)} a second`);
  const broken = results.reduce((sum, result) => sum + result.broken, 0);
  if (broken === 0) {
    if (rewrapped > 0) write('The other keys can leave CREDENTIAL_KEYS when no backup is needed that they wrapped.');
    return;
  }
  throw new ServiceError(
    'CREDENTIAL_BROKEN',
    `${broken} rows do not open by any key and stay as they are: they were altered; enrol their subjects anew`,
    false,
  );
}

/** Adds a key to the file. @throws ServiceError SETTINGS_INVALID */
export function rotateKeys(env: Environment, options: { file?: string; last?: true }, write: Write): void {
  const file = fileOf(env, options.file);
  let made = '';
  change(file, (ring) => {
    const { ring: anew, id } = withNewKey(ring, options.last ? 'last' : 'first');
    made = id;
    return anew;
  });
  write(`made the key ${made} in ${file}`);
  if (options.last) {
    write(
      `Next: restart every copy of verification, so that all can open what ${made} will wrap; then keys use ${made}.`,
    );
    return;
  }
  write(`Next: restart verification with it (the setting CREDENTIAL_KEYS); new rows are wrapped by ${made} at once.`);
  write('Then: keys rewrap. With more than one copy running, rotate --last and keys use leave nobody unanswered.');
}

/** Prints the public halves of RECEIPT_KEYS, as the adapters take them. @throws ServiceError SETTINGS_INVALID */
export function showPublicKeys(env: Environment, options: { file?: string }, write: Write): void {
  const file = options.file ?? env['RECEIPT_KEYS_FILE'];
  if (file === undefined) throw refusedSetting('name the file of the keys with --file or RECEIPT_KEYS_FILE');
  try {
    write(receiptPublicKeysOf(new Secret(withoutByteOrderMark(readFileSync(file, 'utf8')).trim())));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refusedSetting(`RECEIPT_KEYS in ${file} ${code === undefined ? message : `cannot be read (${code})`}`);
  }
}

/** Takes a key of the file to the front. @throws ServiceError SETTINGS_INVALID */
export function useKey(env: Environment, id: string, options: { file?: string }, write: Write): void {
  const file = fileOf(env, options.file);
  change(file, (ring) => withFirstKey(ring, id));
  write(`the key ${id} is first in ${file}`);
  write('Next: restart every copy of verification, one after the other; then keys rewrap.');
}

function fileOf(env: Environment, named: string | undefined): string {
  const file = named ?? env['CREDENTIAL_KEYS_FILE'];
  if (file === undefined) throw refusedSetting('name the file of the keyring with --file or CREDENTIAL_KEYS_FILE');
  return file;
}

/**
 * The new file takes the place of the old one in one step: a crash leaves the one or the other, never half a keyring. It
 * belongs to the owner of the old one, who alone can read it, whoever could read that.
 */
function change(file: string, edit: (ring: Secret) => Secret): void {
  try {
    const anew = edit(new Secret(withoutByteOrderMark(readFileSync(file, 'utf8')).trim()));
    const beside = `${file}.new`;
    const { uid, gid } = statSync(file);
    writeFileSync(beside, anew.reveal(), { mode: 0o600, flag: 'wx', flush: true });
    try {
      chownSync(beside, uid, gid);
      renameSync(beside, file);
    } catch (error) {
      rmSync(beside);
      throw error;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refusedSetting(`the keyring of ${file} ${code === undefined ? message : `cannot be changed (${code})`}`);
  }
}
