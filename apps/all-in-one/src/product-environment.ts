import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { ensureSecretFiles, logSignerState, overSecretFiles } from '@countersign/installation';
import { ServiceError, type Environment } from '@countersign/runtime';

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
  const { values } = await readSecrets(join(dataDir, 'secrets'), env['LOG_ORIGIN']);
  const DATABASE_URL = databaseUrl ?? (await startDatabase(dataDir, onClose));
  const environment = {
    LOG_SIGNER_STATE: logSignerState(dataDir),
    ...overSecretFiles(values, env),
    DATABASE_URL,
  };
  return { environment, createdAdminKey: values.ADMIN_API_KEY };
}

async function startDatabase(dataDir: string, onClose: (step: () => Promise<void>) => void): Promise<string> {
  const database = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
  onClose(() => database.close());
  return database.url;
}

async function readSecrets(folder: string, logOrigin: string | undefined): ReturnType<typeof ensureSecretFiles> {
  try {
    return await ensureSecretFiles(folder, logOrigin || undefined);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === undefined ? message : `the folder of keys cannot be written (${code})`;
    throw new ServiceError('SETTINGS_INVALID', `DATA_DIR: ${reason}`, false);
  }
}
