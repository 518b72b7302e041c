import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { ensureSecretFiles } from '@countersign/installation';
import { ServiceError, type Environment } from '@countersign/runtime';

/** Suffix of a variable that names a file with the value. */
const FILE_SUFFIX = '_FILE';

/**
 * The environment of the services: the keys in the data folder, which are created if they are missing, the variables of the
 * process, which take precedence, and DATABASE_URL.
 * @param databaseUrl undefined: starts an embedded PostgreSQL in the data folder
 * @param onClose receives the step that stops the database
 * @returns also the created administrator key
 * @throws ServiceError SETTINGS_INVALID if the folder of keys is incomplete or cannot be written
 */
export async function productEnvironment(
  dataDir: string,
  env: Environment,
  databaseUrl: string | undefined,
  onClose: (step: () => Promise<void>) => void,
): Promise<{ readonly environment: Environment; readonly createdAdminKey: string }> {
  const { values } = await readSecrets(join(dataDir, 'secrets'));
  const DATABASE_URL = databaseUrl ?? (await startDatabase(dataDir, onClose));
  return { environment: { ...values, ...withoutEmpty(env), DATABASE_URL }, createdAdminKey: values.ADMIN_API_KEY };
}

async function startDatabase(dataDir: string, onClose: (step: () => Promise<void>) => void): Promise<string> {
  const database = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
  onClose(() => database.close());
  return database.url;
}

async function readSecrets(folder: string): ReturnType<typeof ensureSecretFiles> {
  try {
    return await ensureSecretFiles(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === undefined ? message : `the folder of keys cannot be written (${code})`;
    throw new ServiceError('SETTINGS_INVALID', `DATA_DIR: ${reason}`, false);
  }
}

/** Removes empty variables, and hides a created value if the environment names a file for it. */
function withoutEmpty(env: Environment): Environment {
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  const files = given
    .filter(([name]) => name.endsWith(FILE_SUFFIX))
    .map(([name]) => [name.slice(0, -FILE_SUFFIX.length), undefined] as const);
  return Object.fromEntries([...files, ...given]);
}
