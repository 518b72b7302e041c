import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServerAccount } from './binaries.js';

/** Certificate of the server, and authority of client certificates; all PEM. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Authority of the client certificates that are required. Default: none is required. */
  readonly clientCa?: string;
}

/**
 * Configures the server of this cluster to accept only TLS connections.
 * @returns settings of the server
 */
export async function installTls(
  cluster: string,
  tls: ServerTls,
  account: ServerAccount | undefined,
): Promise<Record<string, string>> {
  const clientCertOption = tls.clientCa === undefined ? '' : ' clientcert=verify-ca';
  const files = {
    'server.crt': tls.cert,
    'server.key': tls.key,
    'pg_hba.conf': `hostssl all all 127.0.0.1/32 scram-sha-256${clientCertOption}\n`,
    ...(tls.clientCa === undefined ? {} : { 'clients.crt': tls.clientCa }),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(cluster, name);
    await writeFile(path, text, { mode: 0o600 });
    if (account !== undefined) await chown(path, account.uid, account.gid);
  }
  return {
    ssl: 'on',
    ssl_cert_file: 'server.crt',
    ssl_key_file: 'server.key',
    ...(tls.clientCa === undefined ? {} : { ssl_ca_file: 'clients.crt' }),
  };
}
