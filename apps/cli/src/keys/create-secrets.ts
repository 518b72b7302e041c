import { randomBytes } from 'node:crypto';
import { ensureSecretFiles, keepSecretFile } from '@countersign/installation';
import { refusedSetting } from '../terminal/terminal.js';

const DATABASE_HOST = 'postgres:5432';

export interface SecretsOptions {
  /** LOG_ORIGIN of the services. */
  readonly logOrigin: string;
}

/**
 * Creates the files that `docker-compose.yml` mounts: the secrets of the product, the password of the database, and its URL.
 * Prints their names and never a value. Only the owner can read them, so the containers run as their owner.
 * @throws ServiceError SETTINGS_INVALID that names the folder, if it or a file in it belongs to another user
 */
export async function createSecrets(folder: string, options: SecretsOptions): Promise<void> {
  const names = await createMissing(folder, options.logOrigin).catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refusedSetting(
      code === undefined ? message : `the secrets in ${folder} cannot be created or protected (${code})`,
    );
  });
  const text =
    names.length > 0 ? `created ${names.join(', ')} in ${folder}` : `nothing to create: ${folder} is complete`;
  process.stdout.write(`${text}\n`);
}

/** @returns the names of the new files */
async function createMissing(folder: string, logOrigin: string): Promise<readonly string[]> {
  const { created } = await ensureSecretFiles(folder, logOrigin);
  const names: string[] = [...created];
  const keep = (name: string, create: () => string): string => {
    const { value, isNew } = keepSecretFile(folder, name, create);
    if (isNew) names.push(name);
    return value;
  };
  const password = keep('POSTGRES_PASSWORD', () => randomBytes(24).toString('base64url'));
  keep('DATABASE_URL', () => `postgres://countersign:${password}@${DATABASE_HOST}/countersign`);
  return names;
}
