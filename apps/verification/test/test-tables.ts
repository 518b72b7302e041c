import { randomBytes } from 'node:crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { KeyedHash, Secret } from '@countersign/crypto';
import { createTestDatabase } from '@countersign/testing';
import { VERIFICATION_MIGRATIONS } from '../migrations/index.js';

/** Under a key that the database does not have. */
export const TEST_HASH = new KeyedHash(new Secret(randomBytes(32).toString('base64url')));

/** The tables of verification in a PostgreSQL database that one suite has for itself. */
export interface TestTables {
  /** With the rights of the service and no more: what the stores under test are given. */
  readonly service: Database;
  /** Looks at the tables past the service, and past its rights. */
  readonly database: Database;
  /** Ends all connections and removes the database. */
  readonly close: () => Promise<void>;
}

/** @param poolSize connections of each of the two, where a suite needs another number than a service takes by default */
export async function openTestTables(poolSize?: number): Promise<TestTables> {
  const { url, drop } = await createTestDatabase();
  const options = {
    url,
    schema: 'verification',
    migrations: VERIFICATION_MIGRATIONS,
    applicationName: 'test',
    ...(poolSize === undefined ? {} : { poolSize }),
  };
  const service = await openDatabase(options);
  const database = await openDatabase({ ...options, as: 'administrator' });
  const close = async (): Promise<void> => {
    await Promise.all([service.close(), database.close()]);
    await drop();
  };
  return { service, database, close };
}
