/**
 * Why TLS failed: `untrusted`: no authority that we know signed the server's certificate; `expired`: it is not valid at
 * the time of this machine; `wrong-host`: it is for another host; `refused`: the server does not take what we show;
 * `no-tls`: what answers does not speak TLS.
 */
export type TlsFault = 'untrusted' | 'expired' | 'wrong-host' | 'refused' | 'no-tls';

/** OpenSSL's names of what can be wrong with a chain of certificates, as Node gives them in `code`. */
const CHAIN = /CERT|CRL|ISSUER|LEAF_SIGNATURE|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED/;

/** @param code of an error of a socket; undefined when it says nothing about TLS */
export function tlsFaultOf(code: unknown): TlsFault | undefined {
  if (typeof code !== 'string') return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') return 'wrong-host';
  if (code.startsWith('ERR_SSL_')) return code.includes('ALERT') ? 'refused' : 'no-tls';
  if (code === 'EPROTO') return 'no-tls';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'expired';
  return CHAIN.test(code) ? 'untrusted' : undefined;
}
