import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { databaseTls, IsSecret, StoreSettings } from '@countersign/hosting';
import { openDatabase, startEmbeddedPostgres, type Database } from '@countersign/persistence';
import { Keyring, Secret } from '@countersign/sealing';
import { checked, Hint, loadSettings, ServiceError, type Environment } from '@countersign/service';
import { orComplain, toTerminal, type Write } from './write.js';

export interface StoreOptions {
  /** The folder of the product in one process, with its database and its secrets. */
  readonly dataDir?: string;
}

/** What the commands about stored secrets work on. */
export interface Store {
  readonly database: Database;
  readonly keyring: Keyring;
}

class VerificationStoreSettings extends StoreSettings {
  @IsSecret()
  @Hint('as the verification service has it, id:key[,id:key…]')
  CREDENTIAL_KEYS!: Secret;
}

/** Runs a command on the database of the verification service, as its schema is. */
export async function withStore(
  env: Environment,
  options: StoreOptions,
  command: (store: Store, write: Write) => Promise<void>,
): Promise<void> {
  await orComplain(async () => {
    const { dataDir } = options;
    if (dataDir === undefined) return runOn(env, command);
    if (!existsSync(join(dataDir, 'postgres'))) {
      throw new ServiceError('SETTINGS_INVALID', `${dataDir} holds no database: name the DATA_DIR of npm start`, false);
    }
    const embedded = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
    const CREDENTIAL_KEYS_FILE = join(dataDir, 'secrets', 'CREDENTIAL_KEYS');
    await runOn({ CREDENTIAL_KEYS_FILE, ...env, DATABASE_URL: embedded.url }, command).finally(() => embedded.close());
  });
}

async function runOn(env: Environment, command: (store: Store, write: Write) => Promise<void>): Promise<void> {
  const settings = loadSettings(VerificationStoreSettings, env);
  const keyring = await checked('CREDENTIAL_KEYS', () => new Keyring(settings.CREDENTIAL_KEYS));
  const database = await openDatabase({
    url: settings.DATABASE_URL.reveal(),
    tls: databaseTls(settings),
    schema: 'verification',
    migrations: 'none',
    as: 'administrator',
    poolSize: 2,
    applicationName: 'countersign cli',
    // Counting millions of rows takes longer than any statement of a service may.
    statementTimeoutMs: 600_000,
  });
  await command({ database, keyring }, toTerminal).finally(() => database.close());
}
