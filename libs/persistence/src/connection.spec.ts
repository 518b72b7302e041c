import { Secret } from '@countersign/crypto';
import { connectionOf } from './connection.js';

const BASE = 'postgres://user:canary-73918264@db.example:5432/name';
const refusal = (query: string, tls = {}): Error => {
  try {
    connectionOf(`${BASE}?${query}`, tls);
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was accepted');
};

describe('connectionOf', () => {
  it.each(['require', 'verify-ca', 'verify-full'])('verifies chain and host name with sslmode=%s', (mode) => {
    const { url, ssl } = connectionOf(`${BASE}?sslmode=${mode}`, { ca: 'PEM' });
    expect(ssl).toEqual({ rejectUnauthorized: true, ca: 'PEM' });
    expect(url).toBe(BASE);
  });

  it('uses no TLS without sslmode, and keeps the other parameters', () => {
    expect(connectionOf(BASE)).toEqual({ url: BASE, ssl: false });
    expect(connectionOf(`${BASE}?sslmode=disable&options=x`)).toEqual({ url: `${BASE}?options=x`, ssl: false });
  });

  it('presents the client certificate', () => {
    const client = { cert: 'CERT', key: new Secret('KEY') };
    const { ssl } = connectionOf(`${BASE}?sslmode=verify-full`, { client });
    expect(ssl).toEqual({ rejectUnauthorized: true, cert: 'CERT', key: 'KEY' });
  });

  it.each([
    'sslmode=no-verify',
    'sslmode=prefer',
    'sslmode=allow',
    'sslmode=',
    'sslmode=verify-full&sslmode=no-verify',
    'sslmode=no-verify&sslmode=disable',
    'ssl=no-verify',
    'ssl=true',
    'sslmode=verify-full&ssl=0',
    'sslmode=require&uselibpqcompat=true',
    'sslmode=verify-full&sslrootcert=/ca.pem',
    'sslmode=verify-full&sslcert=/cert.pem',
    'sslmode=verify-full&sslkey=/key.pem',
    'sslnegotiation=direct',
  ])('rejects %s, with which the server might not be verified', (query) => {
    const error = refusal(query);
    expect(error).toMatchObject({ code: 'SETTINGS_INVALID', retriable: false });
    expect(error.message).toContain('DATABASE_URL');
    expect(error.message).not.toContain('canary');
  });

  it('rejects a certificate authority without sslmode, because it would not be used', () => {
    expect(refusal('', { ca: 'PEM' }).message).toContain('DATABASE_CA');
    expect(refusal('sslmode=disable', { ca: 'PEM' }).message).toContain('sslmode=verify-full');
  });
});
