import { createRequire } from 'node:module';
import { Secret } from '@countersign/crypto';
import { SASL_MECHANISMS, saslOptions, tlsOptions } from './kafka-login.js';
import { brokerRefusalOf } from './refusals.js';

/** Authenticates with the exchange of messages that `saslAuthenticate` makes with the broker. */
type Provider = (login: object) => (args: {
  host: string;
  port: number;
  logger: object;
  saslAuthenticate: () => Promise<never>;
}) => {
  authenticate(): Promise<void>;
};

const PROVIDERS = { PLAIN: 'plain', 'SCRAM-SHA-256': 'scram256', 'SCRAM-SHA-512': 'scram512' };
const load = createRequire(import.meta.url);
const quiet = { debug: () => undefined, error: () => undefined };

describe('a login with the patched kafkajs', () => {
  /** The error of a login when the exchange with the broker fails with `error`. */
  const failure = async (mechanism: (typeof SASL_MECHANISMS)[number], error: Error): Promise<unknown> => {
    const provider = load(`kafkajs/src/broker/saslAuthenticator/${PROVIDERS[mechanism]}.js`) as Provider;
    const login = provider(saslOptions({ mechanism, username: 'u', password: new Secret('canary-1234') }));
    const saslAuthenticate = (): Promise<never> => Promise.reject(error);
    const attempt = login({ host: 'h', port: 1, logger: quiet, saslAuthenticate });
    return attempt.authenticate().catch((thrown: unknown) => thrown);
  };

  it.each(SASL_MECHANISMS)('with %s does not report a lost connection as a refused login', async (mechanism) => {
    const lost = Object.assign(new Error('Closed'), { name: 'KafkaJSConnectionClosedError', retriable: true });
    expect(await failure(mechanism, lost)).toBe(lost);
    expect(brokerRefusalOf(lost)?.certain).toBe(false);
  });

  it.each(SASL_MECHANISMS)('with %s reports a refused login without the password', async (mechanism) => {
    const thrown = await failure(mechanism, Object.assign(new Error('no'), { name: 'KafkaJSProtocolError' }));
    expect(thrown).toMatchObject({ name: 'KafkaJSSASLAuthenticationError', retriable: false });
    expect(brokerRefusalOf(thrown)).toMatchObject({
      certain: true,
      advice: expect.stringContaining('KAFKA_PASSWORD') as string,
    });
    expect(String(thrown)).not.toContain('canary');
  });

  it.each(SASL_MECHANISMS)('names the mechanism %s as the brokers do', (mechanism) => {
    const options = saslOptions({ mechanism, username: 'u', password: new Secret('p') });
    expect(options.mechanism.toUpperCase()).toBe(mechanism);
  });
});

describe('tlsOptions', () => {
  it('always verifies the certificate', () => {
    const client = { cert: 'CERT', key: new Secret('KEY') };
    expect(tlsOptions({})).toEqual({ rejectUnauthorized: true });
    expect(tlsOptions({ ca: 'CA', client })).toEqual({ rejectUnauthorized: true, ca: 'CA', cert: 'CERT', key: 'KEY' });
  });
});

describe('brokerRefusalOf', () => {
  const wrapped = (fields: object): Error => new Error('outer', { cause: Object.assign(new Error('inner'), fields) });

  it.each([
    [{ code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'KAFKA_TLS_CA'],
    [{ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, 'KAFKA_TLS_CA'],
    [{ code: 'CERT_HAS_EXPIRED' }, 'clock'],
    [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'host names'],
    [{ code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' }, 'KAFKA_TLS_CERT'],
    [{ code: 'ERR_SSL_WRONG_VERSION_NUMBER' }, 'does not use TLS'],
    [{ type: 'TOPIC_AUTHORIZATION_FAILED' }, 'lacks a right'],
    [{ errors: [{}, Object.assign(new Error(''), { type: 'CLUSTER_AUTHORIZATION_FAILED' })] }, 'lacks a right'],
  ])('finds %j among the causes of an error', (fields, advice) => {
    expect(brokerRefusalOf(wrapped(fields))).toMatchObject({
      certain: true,
      advice: expect.stringContaining(advice) as string,
    });
  });

  it.each([{ code: 'ECONNREFUSED' }, { code: 'ENOTFOUND' }, { type: 'LEADER_NOT_AVAILABLE' }, {}])(
    'finds no refusal in the transient error %j',
    (fields) => {
      expect(brokerRefusalOf(wrapped(fields))).toBeUndefined();
      expect(brokerRefusalOf(fields)).toBeUndefined();
    },
  );
});
