import { type DatabaseTls } from '@countersign/persistence';
import { settingsInvalid } from './settings-invalid.js';
import { authoritiesFault, identityFault } from './pem.js';
import { type StoreSettings } from './settings.js';

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
