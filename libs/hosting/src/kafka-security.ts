import { type KafkaSecurity } from '@countersign/messaging';
import { authoritiesFault, identityFault } from './pem.js';
import { settingsInvalid } from './settings-invalid.js';
import { type BusSettings } from './settings.js';

/**
 * TLS and login for the brokers. Refuses an incomplete set of settings, because its author believes the connection is secure.
 * @throws ServiceError SETTINGS_INVALID that names every invalid setting and its rule, and no value
 */
export function kafkaSecurity(settings: BusSettings, now: number = Date.now()): KafkaSecurity {
  const faults = [...tlsFaults(settings, now), ...loginFaults(settings)];
  if (faults.length > 0) throw settingsInvalid(faults);
  const { KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = settings;
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = settings;
  const client = cert !== undefined && key !== undefined ? { client: { cert, key } } : {};
  return {
    ...(settings.KAFKA_TLS ? { tls: { ...(ca === undefined ? {} : { ca }), ...client } } : {}),
    ...(mechanism !== undefined && username !== undefined && password !== undefined
      ? { login: { mechanism, username, password } }
      : {}),
  };
}

function* tlsFaults(settings: BusSettings, now: number): Iterable<string> {
  const { KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = settings;
  const parts = { KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key };
  const present = Object.entries(parts).filter(([, value]) => value !== undefined);
  if (!settings.KAFKA_TLS && present.length > 0) {
    yield `KAFKA_TLS must be true when ${present.map(([name]) => name).join(' and ')} is set`;
  }
  const fault = ca === undefined ? undefined : authoritiesFault(ca, now);
  if (fault !== undefined) yield `KAFKA_TLS_CA ${fault}`;
  const identity = identityFault({ cert: 'KAFKA_TLS_CERT', key: 'KAFKA_TLS_KEY' }, cert, key, now);
  if (identity !== undefined) yield identity;
}

function* loginFaults(settings: BusSettings): Iterable<string> {
  const { KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD } = settings;
  const parts = Object.entries({ KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD });
  const missing = parts.filter(([, value]) => value === undefined).map(([name]) => name);
  if (missing.length > 0 && missing.length < parts.length) {
    yield `${missing.join(' and ')} must be set: mechanism, user name and password belong together`;
  }
  if (KAFKA_SASL_MECHANISM === 'PLAIN' && !settings.KAFKA_TLS) {
    yield 'KAFKA_TLS must be true with KAFKA_SASL_MECHANISM=PLAIN: the password would travel in clear';
  }
}
