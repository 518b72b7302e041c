import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings, type Environment } from '@countersign/runtime';
import { TestAuthority, type TestCertificate } from '@countersign/testing';
import { configuredCertificates, databaseTls, kafkaSecurity } from './connection-security.js';
import { BusSettings, StoreSettings } from './settings.js';

const CANARY = `canary-${randomBytes(8).toString('hex')}`;
const YEAR_MS = 31_536_000_000;

describe('the settings of a secured bus and database', () => {
  let authority: TestAuthority;
  let client: TestCertificate;
  beforeAll(async () => {
    authority = await TestAuthority.create();
    client = await authority.issue('client');
  });

  const security = (env: Environment): ReturnType<typeof kafkaSecurity> =>
    kafkaSecurity(loadSettings(BusSettings, env));
  /** The error names the setting and contains no value. */
  const refusal = (read: () => unknown): string => {
    try {
      read();
    } catch (error) {
      expect(error).toMatchObject({ code: 'SETTINGS_INVALID', retriable: false });
      expect((error as Error).message).not.toContain('canary');
      expect((error as Error).message).not.toContain('-----BEGIN');
      return (error as Error).message;
    }
    throw new Error('it was accepted');
  };
  const login = { KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512', KAFKA_USERNAME: 'adapter', KAFKA_PASSWORD: CANARY };

  it('name the certificates that they hold or point to, with their ends', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-pem-'));
    const [cert, missing] = [join(folder, 'cert'), join(folder, 'missing')];
    await writeFile(cert, client.cert);
    const env = {
      DATABASE_URL: 'postgres://x',
      DATABASE_CA: authority.pem,
      TLS_CERT_FILE: cert,
      TLS_CLIENT_CA_FILE: missing,
    };
    const found = configuredCertificates(loadSettings(StoreSettings, env));
    await rm(folder, { recursive: true });
    expect(found.map(({ setting }) => setting)).toEqual(['DATABASE_CA', 'TLS_CERT_FILE']);
    for (const { expiresAt } of found)
      expect(Math.abs(expiresAt.getTime() - Date.now() - 86_400_000)).toBeLessThan(60_000);
  });

  it('are none by default', () => {
    expect(security({})).toEqual({});
  });

  it('configure TLS, a client certificate and a login, each also from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-pem-'));
    const files = {
      ...{ KAFKA_TLS_CA: authority.pem, KAFKA_TLS_CERT: client.cert, KAFKA_TLS_KEY: client.key },
      ...login,
    };
    const env: Record<string, string> = { KAFKA_TLS: 'true' };
    for (const [name, text] of Object.entries(files)) {
      env[`${name}_FILE`] = join(folder, name);
      await writeFile(join(folder, name), `${text}\n`);
    }
    const secured = security(env);
    await rm(folder, { recursive: true });
    expect(secured.tls).toMatchObject({ ca: authority.pem.trimEnd(), client: { cert: client.cert.trimEnd() } });
    expect(secured.tls?.client?.key.reveal()).toBe(client.key.trimEnd());
    expect(secured.login).toMatchObject({ mechanism: 'SCRAM-SHA-512', username: 'adapter' });
    expect(secured.login?.password.reveal()).toBe(CANARY);
    expect(JSON.stringify(secured)).not.toContain(CANARY);
  });

  it.each(Object.keys(login))('require %s when the other two settings of the login are present', (name) => {
    const env = Object.fromEntries(Object.entries({ KAFKA_TLS: 'true', ...login }).filter(([key]) => key !== name));
    expect(refusal(() => security(env))).toContain(`${name} must be set`);
  });

  it('refuse PLAIN without TLS and accept SCRAM without TLS', () => {
    expect(refusal(() => security({ ...login, KAFKA_SASL_MECHANISM: 'PLAIN' }))).toContain('KAFKA_TLS must be true');
    expect(security({ ...login, KAFKA_TLS: 'true', KAFKA_SASL_MECHANISM: 'PLAIN' }).login).toBeDefined();
    expect(security(login).login).toBeDefined();
    expect(refusal(() => security({ ...login, KAFKA_SASL_MECHANISM: 'canary' }))).toContain('KAFKA_SASL_MECHANISM');
  });

  it('refuse certificates without TLS, and a certificate without its key', () => {
    expect(refusal(() => security({ KAFKA_TLS_CA: authority.pem }))).toContain('KAFKA_TLS must be true');
    const tls = { KAFKA_TLS: 'true' };
    expect(refusal(() => security({ ...tls, KAFKA_TLS_CERT: client.cert }))).toContain('KAFKA_TLS_KEY must be set');
    expect(refusal(() => security({ ...tls, KAFKA_TLS_KEY: client.key }))).toContain('KAFKA_TLS_CERT must be set');
  });

  it('refuse an invalid certificate, an invalid key, and the key of another certificate', async () => {
    const other = await authority.issue('other');
    const broken = `-----BEGIN CERTIFICATE-----\n${CANARY}\n-----END CERTIFICATE-----`;
    const tls = { KAFKA_TLS: 'true', KAFKA_TLS_CERT: client.cert, KAFKA_TLS_KEY: client.key };
    for (const wrong of [CANARY, broken]) {
      expect(refusal(() => security({ ...tls, KAFKA_TLS_CA: wrong }))).toContain('KAFKA_TLS_CA must');
      expect(refusal(() => security({ ...tls, KAFKA_TLS_CERT: wrong }))).toContain('KAFKA_TLS_CERT must');
    }
    expect(refusal(() => security({ ...tls, KAFKA_TLS_KEY: CANARY }))).toContain('KAFKA_TLS_KEY must be a private key');
    expect(refusal(() => security({ ...tls, KAFKA_TLS_KEY: other.key }))).toContain(
      'must be the key of KAFKA_TLS_CERT',
    );
  });

  it('refuse certificates that are not valid today, but accept an expired authority together with its successor', async () => {
    const old = await authority.issue('old', [], Date.now() - YEAR_MS);
    const early = await authority.issue('early', [], Date.now() + YEAR_MS);
    const tls = { KAFKA_TLS: 'true' };
    for (const { cert, key } of [old, early]) {
      const pair = { KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key };
      expect(refusal(() => security({ ...tls, ...pair }))).toContain('KAFKA_TLS_CERT must be valid today');
      expect(refusal(() => security({ ...tls, KAFKA_TLS_CA: cert }))).toContain('KAFKA_TLS_CA has no certificate');
    }
    const both = `${old.cert}\n${authority.pem}`;
    expect(security({ ...tls, KAFKA_TLS_CA: both }).tls?.ca).toBe(both);
  });

  it('refuse the switch that makes the client library print messages', () => {
    const text = refusal(() => security({ KAFKAJS_DEBUG_PROTOCOL_BUFFERS: '1' }));
    expect(text).toContain('KAFKAJS_DEBUG_PROTOCOL_BUFFERS must not be set');
  });

  it('apply the same rules to the certificates of the database', () => {
    const tls = (env: Environment): unknown =>
      databaseTls(loadSettings(StoreSettings, { DATABASE_URL: 'postgres://h/d', ...env }));
    expect(tls({})).toEqual({});
    expect(tls({ DATABASE_CA: authority.pem })).toEqual({ ca: authority.pem });
    expect(refusal(() => tls({ DATABASE_CA: CANARY }))).toContain('DATABASE_CA must be certificates');
    expect(refusal(() => tls({ DATABASE_CERT: client.cert }))).toContain('DATABASE_KEY must be set');
    expect(refusal(() => tls({ DATABASE_CERT: client.cert, DATABASE_KEY: CANARY }))).toContain('DATABASE_KEY must be');
  });
});
