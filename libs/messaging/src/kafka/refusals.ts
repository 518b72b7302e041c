import { tlsFaultOf, type TlsFault } from '@countersign/runtime';

/** Why the brokers reject our connection, or we reject theirs. */
export interface BrokerRefusal {
  /** What to check; names settings, never their values. */
  readonly advice: string;
  /** False when a broker that starts or stops looks the same. */
  readonly certain: boolean;
}

const LOGIN_REFUSED = 'the brokers refuse the login: check KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM';
const RIGHT_MISSING =
  'the user of KAFKA_USERNAME lacks a right: grant the rights that docs/security.md lists for this service';
const NO_LOGIN =
  'the brokers expect no login at this port: check the port in KAFKA_BROKERS, or unset KAFKA_SASL_MECHANISM';
const CONNECTION_CLOSED =
  'the brokers close the connection at once: check that KAFKA_TLS, KAFKA_TLS_CERT and KAFKA_SASL_MECHANISM are what the port in KAFKA_BROKERS demands';

const TLS_ADVICE: Readonly<Record<TlsFault, string>> = {
  untrusted: "the brokers' certificate is not signed by a trusted authority: check KAFKA_TLS_CA",
  expired: "the brokers' certificate is not valid today: replace it, or correct the clock of this machine",
  'wrong-host':
    "the brokers' certificate is for other hosts: check the host names in KAFKA_BROKERS and in the certificate",
  refused: 'the brokers refuse our side of TLS: check KAFKA_TLS_CERT and KAFKA_TLS_KEY',
  'no-tls': 'the server does not use TLS: check the port in KAFKA_BROKERS, or unset KAFKA_TLS',
};

/** Undefined when the error is not about certificates, logins or rights. */
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
  if (fault !== undefined) return { advice: TLS_ADVICE[fault], certain: true };
  if (typeof type === 'string' && type.endsWith('_AUTHORIZATION_FAILED'))
    return { advice: RIGHT_MISSING, certain: true };
  // kafkajs sometimes starts a second login on a connection and recovers by itself.
  if (type === 'ILLEGAL_SASL_STATE') return { advice: NO_LOGIN, certain: false };
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || error.name === 'KafkaJSSASLAuthenticationError') {
    return { advice: LOGIN_REFUSED, certain: true };
  }
  const closed =
    error.name === 'KafkaJSConnectionClosedError' || error.message.includes('before secure TLS connection');
  return closed ? { advice: CONNECTION_CLOSED, certain: false } : undefined;
}
