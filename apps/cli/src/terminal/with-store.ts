import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { IsOptional } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { databaseTls, IsSecret, StoreSettings } from '@countersign/hosting';
import { openDatabase, type Database } from '@countersign/persistence';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { NAMES_KEY_SETTING, readNamesKey, recordedKeyFault } from '@countersign/stored-secrets';
import { parseSetting, loadSettings, type Environment } from '@countersign/runtime';
import { refusedSetting, reportFault, toTerminal, type Write } from './terminal.js';

export interface StoreOptions {
  /** The data folder of the all-in-one product, with its database and its secrets. */
  readonly dataDir?: string;
}

/** The database and the keys that commands about stored data need. */
export interface Store {
  readonly database: Database;
  readonly keyring: Keyring;
  /** Undefined if IDENTIFIER_KEY is not set; only some commands need it. */
  readonly hash: KeyedHash | undefined;
}

class VerificationStoreSettings extends StoreSettings {
  @IsSecret()
  @Meaning('the value of the verification service, id:key[,id:key…]')
  CREDENTIAL_KEYS!: Secret;

  @IsOptional()
  @IsSecret()
  @Meaning('the value of the verification service')
  IDENTIFIER_KEY?: Secret;
}

/** @throws ServiceError SETTINGS_INVALID if a key is not the one that the tables were written with */
export async function requireRecordedKeys({ database, keyring, hash }: Store): Promise<void> {
  const names = await readNamesKey(database, keyring);
  const fault = await recordedKeyFault(database, database.schema, [
    { setting: NAMES_KEY_SETTING, keys: names?.checks ?? [], names: true },
    { setting: 'CREDENTIAL_KEYS', keys: keyring.checks, names: false },
    ...(hash ? [{ setting: 'IDENTIFIER_KEY', keys: hash.checks, names: true }] : []),
  ]);
  if (fault !== undefined) throw refusedSetting(`${fault.setting} ${fault.rule}`);
}

/** @throws ServiceError SETTINGS_INVALID if IDENTIFIER_KEY is not set */
export function requireHash({ hash }: Store): KeyedHash {
  if (hash) return hash;
  throw refusedSetting('IDENTIFIER_KEY is missing: set it or IDENTIFIER_KEY_FILE as for the verification service');
}

/** Runs a command on the database of the verification service, without migrations. */
export async function withStore(
  env: Environment,
  options: StoreOptions,
  command: (store: Store, write: Write) => Promise<void>,
): Promise<void> {
  await reportFault(async () => {
    const { dataDir } = options;
    if (dataDir === undefined) return runOn(env, command);
    if (!existsSync(join(dataDir, 'postgres'))) {
      throw refusedSetting(`${dataDir} contains no database: name the DATA_DIR of npm start`);
    }
    const embedded = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
    const CREDENTIAL_KEYS_FILE = join(dataDir, 'secrets', 'CREDENTIAL_KEYS');
    const IDENTIFIER_KEY_FILE = join(dataDir, 'secrets', 'IDENTIFIER_KEY');
    await runOn({ CREDENTIAL_KEYS_FILE, IDENTIFIER_KEY_FILE, ...env, DATABASE_URL: embedded.url }, command).finally(
      () => embedded.close(),
    );
  });
}

async function runOn(env: Environment, command: (store: Store, write: Write) => Promise<void>): Promise<void> {
  const settings = loadSettings(VerificationStoreSettings, env);
  const keyring = await parseSetting('CREDENTIAL_KEYS', () => new Keyring(settings.CREDENTIAL_KEYS));
  const identifierKey = settings.IDENTIFIER_KEY;
  const hash = identifierKey && (await parseSetting('IDENTIFIER_KEY', () => new KeyedHash(identifierKey)));
  const database = await openDatabase({
    url: settings.DATABASE_URL.reveal(),
    tls: databaseTls(settings),
    schema: 'verification',
    migrations: 'none',
    as: 'administrator',
    poolSize: 2,
    applicationName: 'countersign cli',
    // Counting millions of rows takes longer than the limit for a statement of a service.
    statementTimeoutMs: 600_000,
  });
  await command({ database, keyring, hash }, toTerminal).finally(() => database.close());
}
