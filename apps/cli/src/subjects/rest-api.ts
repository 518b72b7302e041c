import { readFileSync } from 'node:fs';
import { type Environment, withoutByteOrderMark } from '@countersign/runtime';
import { refusedSetting } from '../terminal/terminal.js';

/** Options of commands that use the REST API. */
export interface ApiOptions {
  readonly tenant: string;
  readonly url?: string;
  readonly keyFile?: string;
}

/** Where the REST API is, and with which key. */
export interface Api {
  /** Without a slash at its end. */
  readonly url: string;
  readonly tenant: string;
  readonly authorization: string;
}

/** @throws ServiceError SETTINGS_INVALID when url or key are missing or no such thing */
export function apiOf(env: Environment, { tenant, url, keyFile }: ApiOptions): Api {
  const address = (url ?? env['COUNTERSIGN_REST_URL'] ?? 'http://localhost:3001').replace(/\/+$/, '');
  if (!/^https?:\/\/[^/]/.test(address))
    throw refusedSetting('--url must be the address of the REST API, such as https://verify.example.com');
  const authorization = authorizationOf(env, keyFile);
  if (authorization === undefined)
    throw refusedSetting(
      'a key is missing: set COUNTERSIGN_API_KEY, or name its file with --key-file or COUNTERSIGN_API_KEY_FILE',
    );
  if (isInClear(address))
    process.stderr.write(`warning: ${address} is not encrypted, so everyone on the way reads the key; use https\n`);
  return { url: address, tenant, authorization };
}

/** Whether the key would leave this host unencrypted. */
export function isInClear(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'http:' && !/^(localhost|(.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** The header with the API key. @returns undefined when no key is set, or one that cannot be a key */
export function authorizationOf(env: Environment, keyFile: string | undefined): string | undefined {
  const file = keyFile ?? env['COUNTERSIGN_API_KEY_FILE'];
  const key = file === undefined ? (env['COUNTERSIGN_API_KEY'] ?? '') : readKey(file);
  return /^[\x21-\x7e]{16,512}$/.test(key) ? `Bearer ${key}` : undefined;
}

/** @throws ServiceError SETTINGS_INVALID that says what to do, when the API does not accept url, key or tenant */
export async function checkApi({ url, tenant, authorization }: Api): Promise<void> {
  const answer = await fetch(`${url}/v1/tenants/${encodeURIComponent(tenant)}`, { headers: { authorization } }).catch(
    () => undefined,
  );
  await answer?.body?.cancel();
  if (answer === undefined)
    throw refusedSetting(`there is no answer from ${url}: check --url, and whether the REST adapter runs`);
  if (!answer.ok) throw refused(answer.status, url, tenant);
}

/** What to do about a status that a repetition does not change. */
export function refused(status: number, url: string, tenant: string): Error {
  switch (status) {
    case 401:
      return refusedSetting(`${url} does not know the key: check COUNTERSIGN_API_KEY`);
    case 403:
    case 404:
      return refusedSetting(`there is no tenant ${tenant}, or the key may not manage it`);
    default:
      return refusedSetting(`${url} answered with status ${status}: check --url, and the log of the REST adapter`);
  }
}

function readKey(file: string): string {
  try {
    return withoutByteOrderMark(readFileSync(file, 'utf8')).trim();
  } catch (error) {
    throw refusedSetting(`the key in ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
