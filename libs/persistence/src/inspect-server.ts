import { TLSSocket } from 'node:tls';
import { Client } from 'pg';
import { connectionOf, type DatabaseTls } from './connection.js';
import { translateError } from './database-errors.js';
import { withSearchPath } from './schema/schema.js';

/** What a database server says about itself. */
export interface ServerInspection {
  /** For example `18.4`. */
  readonly version: string;
  readonly isReadOnly: boolean;
  /** Undefined: no TLS. */
  readonly tls: { readonly protocol: string; readonly certificateExpiresAt: Date } | undefined;
  /** The server's clock minus the clock of this machine, in milliseconds, and the largest error of this number. */
  readonly clockOffset: { readonly offsetMs: number; readonly errorMs: number };
}

/**
 * Connects once and changes nothing.
 * @throws ServiceError SETTINGS_INVALID, DATABASE_UNAVAILABLE
 */
export async function inspectServer(url: string, tls: DatabaseTls, limitMs: number): Promise<ServerInspection> {
  const connection = connectionOf(withSearchPath(url, 'pg_catalog'), tls);
  const client = new Client({
    connectionString: connection.url,
    ssl: connection.ssl,
    connectionTimeoutMillis: limitMs,
    query_timeout: limitMs,
    application_name: 'countersign doctor',
  });
  // The statement that uses the connection reports its loss.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const socket = (client as unknown as { connection: { stream: unknown } }).connection.stream;
    const sentAt = Date.now();
    const { rows } = await client.query<{ now: string; version: string; read_only: string; recovery: boolean }>(
      `SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now, current_setting('server_version') AS version,
         current_setting('transaction_read_only') AS read_only, pg_is_in_recovery() AS recovery`,
    );
    const now = Date.now();
    const [row] = rows;
    if (row === undefined) throw new Error('the server returned no row');
    return {
      version: row.version.split(' ')[0] ?? '',
      isReadOnly: row.read_only === 'on' || row.recovery,
      tls:
        socket instanceof TLSSocket
          ? {
              protocol: socket.getProtocol() ?? '',
              certificateExpiresAt: new Date(socket.getPeerCertificate().valid_to),
            }
          : undefined,
      clockOffset: { offsetMs: Number(row.now) - (sentAt + now) / 2, errorMs: (now - sentAt) / 2 },
    };
  } catch (error) {
    throw translateError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
