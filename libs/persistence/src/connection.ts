import { type Secret } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';

/** Certificates for a URL with TLS, all PEM. */
export interface DatabaseTls {
  /** Trusted certificate authorities. Default: those of Node. */
  readonly ca?: string;
  /** Client certificate, for a server that demands one. */
  readonly client?: { readonly cert: string; readonly key: Secret };
}

/** Options of the driver for verified TLS. */
export interface VerifiedTls {
  readonly rejectUnauthorized: true;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What the driver needs to connect. The URL contains no TLS parameter. */
export interface Connection {
  readonly url: string;
  readonly ssl: false | VerifiedTls;
}

const VERIFYING_MODES = new Set(['require', 'verify-ca', 'verify-full']);
/** Parameters with which the driver would bypass the rules below, and what to do instead. */
const FORBIDDEN_PARAMETERS: Readonly<Record<string, string>> = {
  ssl: 'use sslmode',
  uselibpqcompat: 'leave it out',
  sslrootcert: 'give the authorities in DATABASE_CA',
  sslcert: 'give the certificate in DATABASE_CERT',
  sslkey: 'give the key in DATABASE_KEY',
  sslpassword: 'give a key without a passphrase in DATABASE_KEY',
};

/**
 * Decides TLS here instead of in the driver, where `sslmode` changes its meaning with other parameters and between
 * versions. `disable` or absent: no TLS. `require`, `verify-ca` and `verify-full` all verify chain and host name. Other
 * modes are rejected, because an attacker on the network can downgrade them.
 * @throws ServiceError SETTINGS_INVALID that names DATABASE_URL or DATABASE_CA, and no value
 */
export function connectionOf(url: string, tls: DatabaseTls = {}): Connection {
  if (!URL.canParse(url)) return { url, ssl: false };
  const parsed = new URL(url);
  const query = parsed.searchParams;
  for (const [name, advice] of Object.entries(FORBIDDEN_PARAMETERS)) {
    if (query.has(name)) throw invalid(`DATABASE_URL must not have the parameter ${name}: ${advice}`);
  }
  const modes = query.getAll('sslmode');
  query.delete('sslmode');
  const usesTls = modes.some((mode) => mode !== 'disable');
  if (usesTls && !modes.every((mode) => VERIFYING_MODES.has(mode))) {
    throw invalid(
      'DATABASE_URL must have sslmode=verify-full, or sslmode=disable: an attacker on the network can downgrade every other mode',
    );
  }
  if (!usesTls && (tls.ca !== undefined || tls.client !== undefined)) {
    throw invalid('DATABASE_URL must have sslmode=verify-full when DATABASE_CA or DATABASE_CERT is set');
  }
  if (!usesTls && query.has('sslnegotiation'))
    throw invalid('DATABASE_URL must have sslmode=verify-full with sslnegotiation');
  if (!usesTls) return { url: parsed.href, ssl: false };
  return {
    url: parsed.href,
    ssl: {
      // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment has no effect.
      rejectUnauthorized: true,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.client === undefined ? {} : { cert: tls.client.cert, key: tls.client.key.reveal() }),
    },
  };
}

const invalid = (message: string): ServiceError => new ServiceError('SETTINGS_INVALID', message, false);
