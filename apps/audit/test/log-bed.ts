import { leafHash } from '@countersign/transparency-log';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { NEEDS } from '../src/needs.js';

/** The origin of the logs of tests. */
export const TEST_ORIGIN = 'log.example/audit';

/** The schema of audit in a database of its own. */
export interface LogBed {
  readonly url: string;
  /** With the rights of the service. */
  readonly service: Database;
  /** With the rights of the owner of the tables. */
  readonly administrator: Database;
  /** Another copy of the service. */
  openCopy(): Promise<Database>;
  /** The stored values in the order of their indexes. Fails when an index is missing. */
  values(): Promise<Buffer[]>;
  /** The leaf hashes of the stored values. */
  leaves(): Promise<Buffer[]>;
  close(): Promise<void>;
}

export async function openLogBed(): Promise<LogBed> {
  const test = await createTestDatabase();
  const options = { url: test.url, applicationName: 'test', ...NEEDS.store };
  const copies = [await openDatabase(options)];
  const administrator = await openDatabase({ ...options, as: 'administrator' });
  const values = async (): Promise<Buffer[]> => {
    const rows = await administrator.query<{ idx: string; value: Buffer }>(
      'SELECT idx, value FROM audit.entries ORDER BY idx',
    );
    const wrong = rows.findIndex(({ idx }, at) => Number(idx) !== at);
    if (wrong >= 0) throw new Error(`the log has no entry ${wrong}`);
    return rows.map(({ value }) => value);
  };
  return {
    url: test.url,
    service: copies[0]!,
    administrator,
    values,
    openCopy: async () => {
      const copy = await openDatabase(options);
      copies.push(copy);
      return copy;
    },
    leaves: async () => (await values()).map((value) => leafHash(value)),
    close: async () => {
      await Promise.all([administrator, ...copies].map((database) => database.close()));
      await test.drop();
    },
  };
}
