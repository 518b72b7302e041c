import { tlsFaultOf, type TlsFault } from '@countersign/runtime';

/** What the brokers, or we, do not accept about a connection. */
export interface BrokerRefusal {
  /** What to check; names settings, and holds nothing of their values. */
  readonly advice: string;
  /** False: a broker that is starting or stopping can look the same. */
  readonly certain: boolean;
}

const LOGIN = 'the brokers refuse the login: check KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM';
const RIGHTS = 'the user of KAFKA_USERNAME lacks a right: give it those that docs/security.md lists for this service';
const NO_LOGIN =
  'the brokers want no login at this port: check the port in KAFKA_BROKERS, or unset KAFKA_SASL_MECHANISM';
const CLOSED =
  'the brokers close the connection at once: check that KAFKA_TLS, KAFKA_TLS_CERT and KAFKA_SASL_MECHANISM are what the port in KAFKA_BROKERS demands';

const TLS: Readonly<Record<TlsFault, string>> = {
  untrusted: "the brokers' certificate is signed by no authority that is trusted here: check KAFKA_TLS_CA",
  expired: "the brokers' certificate is not valid today: renew it, or set the clock of this machine",
  'wrong-host':
    "the brokers' certificate is for other hosts: check the host names in KAFKA_BROKERS and in the certificate",
  refused: 'the brokers refuse our side of TLS: check KAFKA_TLS_CERT and KAFKA_TLS_KEY',
  'no-tls': 'what answers does not speak TLS: check the port in KAFKA_BROKERS, or unset KAFKA_TLS',
};

/** Undefined: the error says nothing about certificates, logins and rights. */
export function brokerRefusalOf(error: unknown): BrokerRefusal | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth++) {
    const found = refusalIn(at);
    if (found !== undefined) return found;
    if ('errors' in at && Array.isArray(at.errors)) {
      const inside = at.errors.map(brokerRefusalOf).find((one) => one !== undefined);
      if (inside !== undefined) return inside;
    }
  }
  return undefined;
}

function refusalIn(error: Error): BrokerRefusal | undefined {
  const { code, type } = error as { code?: unknown; type?: unknown };
  const fault = tlsFaultOf(code);
  if (fault !== undefined) return { advice: TLS[fault], certain: true };
  if (typeof type === 'string' && type.endsWith('_AUTHORIZATION_FAILED')) return { advice: RIGHTS, certain: true };
  // kafkajs also begins a second login on a connection now and then, and mends it by itself.
  if (type === 'ILLEGAL_SASL_STATE') return { advice: NO_LOGIN, certain: false };
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || error.name === 'KafkaJSSASLAuthenticationError') {
    return { advice: LOGIN, certain: true };
  }
  const closed =
    error.name === 'KafkaJSConnectionClosedError' || error.message.includes('before secure TLS connection');
  return closed ? { advice: CLOSED, certain: false } : undefined;
}
