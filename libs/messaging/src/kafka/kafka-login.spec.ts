import { Secret } from '@countersign/crypto';
import { type AuthenticationProviderArgs } from 'kafkajs';
import { SASL_MECHANISMS, saslMechanism, tlsOptions } from './kafka-login.js';
import { brokerRefusalOf } from './refusals.js';

const quiet = { debug: () => undefined, error: () => undefined } as unknown as AuthenticationProviderArgs['logger'];

describe('saslMechanism', () => {
  /** The error of a login when the exchange with the broker fails with `error`. */
  const failure = async (mechanism: (typeof SASL_MECHANISMS)[number], error: Error): Promise<unknown> => {
    const { authenticationProvider } = saslMechanism({ mechanism, username: 'u', password: new Secret('canary-1234') });
    const saslAuthenticate = (): Promise<never> => Promise.reject(error);
    const login = authenticationProvider({ host: 'h', port: 1, logger: quiet, saslAuthenticate });
    return login.authenticate().catch((thrown: unknown) => thrown);
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
