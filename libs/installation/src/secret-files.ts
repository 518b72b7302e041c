import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_LOG_ORIGIN } from '@countersign/contracts';
import { createReceiptKeys, createSealingKeys, receiptPublicKeysOf, Secret } from '@countersign/crypto';
import { withoutByteOrderMark, type Environment } from '@countersign/runtime';
import { createSignerKey, formatVerifierKey, parseSignerKey } from '@countersign/transparency-log';
import { makeFolder } from './data-folder.js';

/** Every secret of an installation, by the name of its setting. */
export const SECRET_NAMES = [
  'ADMIN_API_KEY',
  'AUDIT_KEYS',
  'CAPTURE_TOKEN_KEY',
  'CREDENTIAL_KEYS',
  'IDENTIFIER_KEY',
  'LOG_SIGNING_KEY',
  'LOG_PUBLIC_KEYS',
  'RECEIPT_KEYS',
  'RECEIPT_PUBLIC_KEYS',
  'SEALING_PRIVATE_KEYS',
  'SEALING_PUBLIC_KEYS',
  'WEBHOOK_KEYS',
] as const;
export type SecretName = (typeof SECRET_NAMES)[number];

const PRIVATE_HALVES = { RECEIPT_PUBLIC_KEYS: 'RECEIPT_KEYS', LOG_PUBLIC_KEYS: 'LOG_SIGNING_KEY' };

/** Suffix of a variable that names a file with the value. */
const FILE_SUFFIX = '_FILE';

/** The secrets of a folder, and the names of those that were just created. */
export interface SecretFiles {
  readonly values: Readonly<Record<SecretName, string>>;
  readonly created: readonly SecretName[];
}

/**
 * Creates the missing secrets of a folder, one file per setting, and never changes an existing one. Sets the mode of the
 * folder to 0700 and of each file, new or old, to 0600.
 * @param logOrigin the name of the audit log in its checkpoints, and so of the key that signs them
 * @throws Error when one half of the sealing keys, or the private half of the receipt keys or of the log's key is missing: it
 * cannot be derived from the other half
 */
export async function ensureSecretFiles(folder: string, logOrigin = DEFAULT_LOG_ORIGIN): Promise<SecretFiles> {
  makeFolder(folder, 0o700);
  denyOthers(folder, 0o700);
  const created: SecretName[] = [];
  const values = {} as Record<SecretName, string>;
  const keep = (name: SecretName, make: () => string): void => {
    const file = keepSecretFile(folder, name, make);
    if (file.isNew) created.push(name);
    values[name] = file.value;
  };
  const [hasPrivate, hasPublic] = ['SEALING_PRIVATE_KEYS', 'SEALING_PUBLIC_KEYS'].map((name) =>
    existsSync(join(folder, name)),
  );
  if (hasPrivate !== hasPublic)
    throw new Error(
      'SEALING_PRIVATE_KEYS and SEALING_PUBLIC_KEYS belong together: restore the missing one or remove both',
    );
  for (const [publicKeys, privateKeys] of Object.entries(PRIVATE_HALVES)) {
    if (existsSync(join(folder, publicKeys)) && !existsSync(join(folder, privateKeys)))
      throw new Error(`${privateKeys} is missing beside ${publicKeys}: restore it or remove both`);
  }
  const sealing = hasPrivate ? undefined : await createSealingKeys('s1');
  keep('ADMIN_API_KEY', () => `csadmin_${random()}`);
  keep('AUDIT_KEYS', () => `k1:${random()}`);
  keep('CAPTURE_TOKEN_KEY', random);
  keep('CREDENTIAL_KEYS', () => `k1:${random()}`);
  keep('IDENTIFIER_KEY', random);
  keep('LOG_SIGNING_KEY', () => createSignerKey(logOrigin));
  // A public half can be derived from the private one.
  keep('LOG_PUBLIC_KEYS', () => formatVerifierKey(parseSignerKey(values.LOG_SIGNING_KEY).verifier));
  keep('RECEIPT_KEYS', () => createReceiptKeys('r1'));
  keep('RECEIPT_PUBLIC_KEYS', () => receiptPublicKeysOf(new Secret(values.RECEIPT_KEYS)));
  keep('SEALING_PRIVATE_KEYS', () => sealing?.privateKeys ?? '');
  keep('SEALING_PUBLIC_KEYS', () => sealing?.publicKeys ?? '');
  keep('WEBHOOK_KEYS', () => `k1:${random()}`);
  return { values, created };
}

/** The secrets of a folder that can be read. Creates and changes nothing. */
export function readSecretFiles(folder: string): Partial<Record<SecretName, string>> {
  const values: Partial<Record<SecretName, string>> = {};
  for (const name of SECRET_NAMES) {
    try {
      values[name] = valueIn(join(folder, name));
    } catch {
      // The setting is missing then.
    }
  }
  return values;
}

/** Where the signer of the audit log keeps its state, unless a setting says otherwise. */
export const logSignerState = (dataDir: string): string => join(dataDir, 'log-signer.state');

/**
 * The environment of the services of `npm start`: the secrets of the data folder, and the variables of the process, which
 * take precedence. Removes empty variables, and hides a secret of the folder if the environment names a file for it.
 */
export function overSecretFiles(secrets: Partial<Record<SecretName, string>>, env: Environment): Environment {
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  const files = given
    .filter(([name]) => name.endsWith(FILE_SUFFIX))
    .map(([name]) => [name.slice(0, -FILE_SUFFIX.length), undefined] as const);
  return { ...secrets, ...Object.fromEntries([...files, ...given]) };
}

/**
 * Reads one secret of a folder; creates it if it is missing. Sets its mode to 0600.
 * @throws Error of the system, for example when the file belongs to another user
 */
export function keepSecretFile(folder: string, name: string, make: () => string): { value: string; isNew: boolean } {
  const path = join(folder, name);
  const isNew = !existsSync(path);
  // `wx` never overwrites a file that another process has just created: data encrypted with the lost key would be lost too.
  if (isNew) writeFileSync(path, make(), { mode: 0o600, flag: 'wx' });
  denyOthers(path, 0o600);
  return { value: valueIn(path), isNew };
}

const valueIn = (path: string): string => withoutByteOrderMark(readFileSync(path, 'utf8')).trim();

/** Changes the mode only if necessary, because files can be mounted read-only. */
function denyOthers(path: string, mode: number): void {
  if ((statSync(path).mode & 0o777) !== mode) chmodSync(path, mode);
}

function random(): string {
  return randomBytes(32).toString('base64url');
}
