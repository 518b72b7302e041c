/**
 * Why a TLS handshake failed.
 * - `untrusted`: no trusted authority signed the server's certificate
 * - `expired`: the certificate is expired or not valid yet, by the clock of this machine
 * - `wrong-host`: the certificate is for another host
 * - `refused`: the server refused our certificate or our protocol version
 * - `no-tls`: the server does not use TLS on this port
 */
export type TlsFault = 'untrusted' | 'expired' | 'wrong-host' | 'refused' | 'no-tls';

/** OpenSSL's names of faults in a certificate chain, as in the `code` of Node's errors. */
const CHAIN_FAULT = /CERT|CRL|ISSUER|LEAF_SIGNATURE|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED/;

/** @param code of a socket's error. @returns undefined when the error is not about TLS */
export function tlsFaultOf(code: unknown): TlsFault | undefined {
  if (typeof code !== 'string') return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') return 'wrong-host';
  if (code.startsWith('ERR_SSL_')) return code.includes('ALERT') ? 'refused' : 'no-tls';
  if (code === 'EPROTO') return 'no-tls';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'expired';
  return CHAIN_FAULT.test(code) ? 'untrusted' : undefined;
}
