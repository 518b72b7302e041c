import { readFileSync } from 'node:fs';
import { type KafkaSecurity } from '@countersign/messaging';
import { connectionOf, type DatabaseTls, withSearchPath } from '@countersign/persistence';
import {
  authoritiesFault,
  identityFault,
  parseCertificates,
  settingFaultsOf,
  settingsInvalid,
} from '@countersign/runtime';
import { type BusSettings, type StoreSettings } from './settings.js';

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

/**
 * The certificates for the database. DATABASE_URL decides whether TLS is used.
 * @throws ServiceError SETTINGS_INVALID that names every invalid setting and its rule, and no value
 */
export function databaseTls(settings: StoreSettings, now: number = Date.now()): DatabaseTls {
  const { DATABASE_CA: ca, DATABASE_CERT: cert, DATABASE_KEY: key } = settings;
  const faults: string[] = [];
  const fault = ca === undefined ? undefined : authoritiesFault(ca, now);
  if (fault !== undefined) faults.push(`DATABASE_CA ${fault}`);
  const identity = identityFault({ cert: 'DATABASE_CERT', key: 'DATABASE_KEY' }, cert, key, now);
  if (identity !== undefined) faults.push(identity);
  if (faults.length > 0) throw settingsInvalid(faults);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert !== undefined && key !== undefined ? { client: { cert, key } } : {}),
  };
}

/**
 * The faults of all settings about the connections to the brokers and the database, for a report of every fault at once.
 * @returns each begins with the name of its setting
 */
export function connectionFaults(settings: BusSettings | StoreSettings, now: number = Date.now()): readonly string[] {
  const checks = [(): unknown => kafkaSecurity(settings, now)];
  const store = settings as StoreSettings;
  // Absent in services without a database, and where it is missing.
  const url = (settings as Partial<StoreSettings>).DATABASE_URL;
  if (url !== undefined) {
    checks.push(() => connectionOf(withSearchPath(url.reveal(), 'public'), databaseTls(store, now)));
  }
  const faults = checks.flatMap((check) => {
    try {
      check();
      return [];
    } catch (error) {
      return settingFaultsOf(error) ?? [(error as Error).message];
    }
  });
  return [...new Set(faults)];
}

/** A certificate in a setting. */
export interface ConfiguredCertificate {
  readonly setting: string;
  readonly expiresAt: Date;
}

/** The certificates of all settings that hold valid PEM: of several authorities the one that is valid longest. */
export function configuredCertificates(settings: BusSettings | StoreSettings): ConfiguredCertificate[] {
  const own = settings as unknown as Readonly<Record<string, unknown>>;
  return CERTIFICATE_SETTINGS.flatMap(({ setting, isChain }) => {
    const value = own[setting];
    const certificates = typeof value === 'string' ? (parseCertificates(pemOf(setting, value)) ?? []) : [];
    const ends = certificates.map(({ validTo }) => Date.parse(validTo));
    if (ends.length === 0) return [];
    return [{ setting, expiresAt: new Date(isChain ? Math.min(...ends) : Math.max(...ends)) }];
  });
}

/** The certificates of the HTTP ports are named by path, because they are read again while the service runs. */
function pemOf(setting: string, value: string): string {
  try {
    return setting.endsWith('_FILE') ? readFileSync(value, 'utf8') : value;
  } catch {
    return '';
  }
}

/** A chain ends with its first certificate that expires; of several authorities one is enough. */
const CERTIFICATE_SETTINGS = [
  { setting: 'KAFKA_TLS_CA', isChain: false },
  { setting: 'KAFKA_TLS_CERT', isChain: true },
  { setting: 'DATABASE_CA', isChain: false },
  { setting: 'DATABASE_CERT', isChain: true },
  { setting: 'TLS_CERT_FILE', isChain: true },
  { setting: 'TLS_CLIENT_CA_FILE', isChain: false },
];
