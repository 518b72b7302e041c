import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { IsOptional } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { databaseTls, IsSecret, StoreSettings } from '@countersign/hosting';
import { openDatabase, type Database } from '@countersign/persistence';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { KeyedHash, Keyring, Secret } from '@countersign/crypto';
import { NAMES_KEY_SETTING, readNamesKey, recordedKeyFault } from '@countersign/stored-secrets';
import { parseSetting, loadSettings, ServiceError, type Environment } from '@countersign/runtime';
import { orComplain, toTerminal, type Write } from './terminal.js';

export interface StoreOptions {
  /** The folder of the product in one process, with its database and its secrets. */
  readonly dataDir?: string;
}

/** What the commands about stored secrets work on. */
export interface Store {
  readonly database: Database;
  readonly keyring: Keyring;
  /** Undefined where IDENTIFIER_KEY is not given: only some commands need it. */
  readonly hash: KeyedHash | undefined;
}

class VerificationStoreSettings extends StoreSettings {
  @IsSecret()
  @Meaning('as the verification service has it, id:key[,id:key…]')
  CREDENTIAL_KEYS!: Secret;

  @IsOptional()
  @IsSecret()
  @Meaning('as the verification service has it')
  IDENTIFIER_KEY?: Secret;
}

/** @throws ServiceError SETTINGS_INVALID for keys that are not those that the tables were written with */
export async function requireRecordedKeys({ database, keyring, hash }: Store): Promise<void> {
  const names = await readNamesKey(database, keyring);
  const fault = await recordedKeyFault(database, database.schema, [
    { setting: NAMES_KEY_SETTING, keys: names?.checks ?? [], names: true },
    { setting: 'CREDENTIAL_KEYS', keys: keyring.checks, names: false },
    ...(hash ? [{ setting: 'IDENTIFIER_KEY', keys: hash.checks, names: true }] : []),
  ]);
  if (fault !== undefined) throw new ServiceError('SETTINGS_INVALID', `${fault.setting} ${fault.rule}`, false);
}

/** @throws ServiceError SETTINGS_INVALID when IDENTIFIER_KEY is not given */
export function requireHash({ hash }: Store): KeyedHash {
  if (hash) return hash;
  throw new ServiceError(
    'SETTINGS_INVALID',
    'IDENTIFIER_KEY is missing: set it, or IDENTIFIER_KEY_FILE, as the verification service has it',
    false,
  );
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
    // Counting millions of rows takes longer than any statement of a service may.
    statementTimeoutMs: 600_000,
  });
  await command({ database, keyring, hash }, toTerminal).finally(() => database.close());
}
