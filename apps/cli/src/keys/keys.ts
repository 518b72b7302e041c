import { chownSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { SingleBar } from 'cli-progress';
import { receiptPublicKeysOf, Secret, withFirstKey, withNewKey } from '@countersign/crypto';
import { type Environment, ServiceError, withoutByteOrderMark } from '@countersign/runtime';
import { countKeyUse, countToRewrap, keyFault, rewrap } from '@countersign/stored-secrets';
import { identifierKeyStatus } from './rekey.js';
import { requireRecordedKeys, type Store } from '../terminal/with-store.js';
import { refusedSetting, table, type Write } from '../terminal/terminal.js';

/** Prints the rows of each key, and whether the tables were written with the keys of the settings. */
export async function keyStatus(store: Store, write: Write): Promise<void> {
  const { database, keyring } = store;
  const rows = (await countKeyUse(database)).map(({ column, keyId, rows: n }) => [
    ...[column, keyId, String(n)],
    keyId === keyring.first ? 'encrypts' : keyring.has(keyId) ? 'decrypts' : 'MISSING in CREDENTIAL_KEYS',
  ]);
  write(rows.length === 0 ? 'nothing is stored' : table(['column', 'key', 'rows', 'the key'], rows));
  const fault = await keyFault(database, keyring);
  if (fault !== undefined) throw refusedSetting(`CREDENTIAL_KEYS ${fault}`);
  await requireRecordedKeys(store);
  await identifierKeyStatus(store, write);
  if (!store.hash) write('IDENTIFIER_KEY is not set and was not compared');
}

/** @throws ServiceError SETTINGS_INVALID, DATABASE_UNAVAILABLE; CREDENTIAL_BROKEN if no key decrypts some rows */
export async function rewrapAll({ database, keyring }: Store, write: Write): Promise<void> {
  const fault = await keyFault(database, keyring);
  if (fault !== undefined) throw refusedSetting(`CREDENTIAL_KEYS ${fault}`);
  const total = await countToRewrap({ database, keyring });
  const bar = new SingleBar({
    format: '{bar} {percentage} % of {total} rows, {rate} per second, {eta_formatted} remaining',
    stream: process.stderr,
    hideCursor: true,
  });
  const startedAt = performance.now();
  const rate = (rows: number): number => Math.round(rows / Math.max(0.001, (performance.now() - startedAt) / 1000));
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
      ['column', 'encrypted again', 'broken'],
      results.map((r) => [r.column, String(r.rewrapped), String(r.broken)]),
    ),
  );
  write(`${rewrapped} rows under the key ${keyring.first}, ${rate(rewrapped)} per second`);
  const broken = results.reduce((sum, result) => sum + result.broken, 0);
  if (broken === 0) {
    if (rewrapped > 0) write('Remove the other keys from CREDENTIAL_KEYS when you need no backup that they encrypted.');
    return;
  }
  throw new ServiceError(
    'CREDENTIAL_BROKEN',
    `no key decrypts ${broken} rows, which stay as they are: they were altered; enrol their subjects again`,
    false,
  );
}

/** Adds a key to the file. @throws ServiceError SETTINGS_INVALID */
export function rotateKeys(env: Environment, options: { file?: string; last?: true }, write: Write): void {
  const file = fileOf(env, options.file);
  let created = '';
  changeFile(file, (ring) => {
    const { ring: extended, id } = withNewKey(ring, options.last ? 'last' : 'first');
    created = id;
    return extended;
  });
  write(`created the key ${created} in ${file}`);
  if (options.last) {
    write(
      `Next: restart every copy of verification, so that all can decrypt with ${created}; then run keys use ${created}.`,
    );
    return;
  }
  write(`Next: restart verification with it (the setting CREDENTIAL_KEYS); ${created} encrypts new rows from then on.`);
  write('Then run keys rewrap. With several running copies use rotate --last and keys use, so that no request fails.');
}

/** Prints the public halves of RECEIPT_KEYS for the adapters. @throws ServiceError SETTINGS_INVALID */
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

/** Moves a key of the file to the front. @throws ServiceError SETTINGS_INVALID */
export function useKey(env: Environment, id: string, options: { file?: string }, write: Write): void {
  const file = fileOf(env, options.file);
  changeFile(file, (ring) => withFirstKey(ring, id));
  write(`the key ${id} is first in ${file}`);
  write('Next: restart every copy of verification, one after the other; then run keys rewrap.');
}

function fileOf(env: Environment, named: string | undefined): string {
  const file = named ?? env['CREDENTIAL_KEYS_FILE'];
  if (file === undefined) throw refusedSetting('name the file of the keyring with --file or CREDENTIAL_KEYS_FILE');
  return file;
}

/**
 * Replaces the file in one step, so a crash leaves the old or the new keyring, never a part. The new file belongs to the owner
 * of the old one, and only this owner can read it.
 */
function changeFile(file: string, edit: (ring: Secret) => Secret): void {
  try {
    const changed = edit(new Secret(withoutByteOrderMark(readFileSync(file, 'utf8')).trim()));
    const newFile = `${file}.new`;
    const { uid, gid } = statSync(file);
    writeFileSync(newFile, changed.reveal(), { mode: 0o600, flag: 'wx', flush: true });
    try {
      chownSync(newFile, uid, gid);
      renameSync(newFile, file);
    } catch (error) {
      rmSync(newFile);
      throw error;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refusedSetting(`the keyring of ${file} ${code === undefined ? message : `cannot be changed (${code})`}`);
  }
}
