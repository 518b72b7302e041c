import { type Secret } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';

/** Certificates for a URL that asks for TLS, all PEM. */
export interface DatabaseTls {
  /** Authorities that may have signed the server's certificate. Default: those that Node brings along. */
  readonly ca?: string;
  /** For a server that asks for a certificate. */
  readonly client?: { readonly cert: string; readonly key: Secret };
}

/** TLS that is verified, in the driver's words. */
export interface VerifiedTls {
  readonly rejectUnauthorized: true;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What a driver needs to connect; the URL has nothing to say about TLS any more. */
export interface Connection {
  readonly url: string;
  readonly ssl: false | VerifiedTls;
}

const VERIFIED = new Set(['require', 'verify-ca', 'verify-full']);
/** Each would get past the rules below in the driver. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  ssl: 'say it with sslmode',
  uselibpqcompat: 'leave it out',
  sslrootcert: 'give the authorities in DATABASE_CA',
  sslcert: 'give the certificate in DATABASE_CERT',
  sslkey: 'give the key in DATABASE_KEY',
  sslpassword: 'give a key without a passphrase in DATABASE_KEY',
};

/**
 * Takes TLS out of the hands of the driver, whose `sslmode` means something else with every parameter beside it, and in
 * every one of its versions. `disable` or nothing: no TLS. `require`, `verify-ca`, `verify-full`: the chain and the host
 * name are verified, in all three. Every other mode can be talked out of it by whoever sits on the line, and is refused.
 * @throws ServiceError SETTINGS_INVALID that names DATABASE_URL or DATABASE_CA, and no value
 */
export function connectionOf(url: string, tls: DatabaseTls = {}): Connection {
  if (!URL.canParse(url)) return { url, ssl: false };
  const parsed = new URL(url);
  const query = parsed.searchParams;
  for (const [name, advice] of Object.entries(ELSEWHERE)) {
    if (query.has(name)) throw invalid(`DATABASE_URL must not have the parameter ${name}: ${advice}`);
  }
  const modes = query.getAll('sslmode');
  query.delete('sslmode');
  const wanted = modes.some((mode) => mode !== 'disable');
  if (wanted && !modes.every((mode) => VERIFIED.has(mode))) {
    throw invalid(
      'DATABASE_URL must have sslmode=verify-full, or sslmode=disable: no other mode keeps out who listens',
    );
  }
  if (!wanted && (tls.ca !== undefined || tls.client !== undefined)) {
    throw invalid('DATABASE_URL must have sslmode=verify-full when DATABASE_CA or DATABASE_CERT is set');
  }
  if (!wanted && query.has('sslnegotiation'))
    throw invalid('DATABASE_URL must have sslmode=verify-full with sslnegotiation');
  if (!wanted) return { url: parsed.href, ssl: false };
  return {
    url: parsed.href,
    ssl: {
      // Said aloud, so that NODE_TLS_REJECT_UNAUTHORIZED=0 of the environment changes nothing.
      rejectUnauthorized: true,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.client === undefined ? {} : { cert: tls.client.cert, key: tls.client.key.reveal() }),
    },
  };
}

const invalid = (message: string): ServiceError => new ServiceError('SETTINGS_INVALID', message, false);
