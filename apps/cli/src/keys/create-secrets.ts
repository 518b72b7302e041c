import { randomBytes } from 'node:crypto';
import { ensureSecretFiles, keepSecretFile } from '@countersign/installation';
import { refusedSetting } from '../terminal/terminal.js';

const DATABASE_HOST = 'postgres:5432';

/**
 * Makes what `docker-compose.yml` mounts: the product's own secrets, the password of the database, and the URL that
 * holds it. Says what it made, never a value. Only their owner can read them, so containers run as their owner.
 * @throws ServiceError SETTINGS_INVALID that names the folder, when it or a file in it belongs to another user
 */
export async function createSecrets(folder: string): Promise<void> {
  const names = await complete(folder).catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refusedSetting(code === undefined ? message : `the secrets in ${folder} cannot be made or closed (${code})`);
  });
  const text = names.length > 0 ? `made ${names.join(', ')} in ${folder}` : `nothing to make: ${folder} is complete`;
  process.stdout.write(`${text}\n`);
}

/** @returns the names of what was made */
async function complete(folder: string): Promise<readonly string[]> {
  const { made } = await ensureSecretFiles(folder);
  const names: string[] = [...made];
  const keep = (name: string, make: () => string): string => {
    const { value, isNew } = keepSecretFile(folder, name, make);
    if (isNew) names.push(name);
    return value;
  };
  const password = keep('POSTGRES_PASSWORD', () => randomBytes(24).toString('base64url'));
  keep('DATABASE_URL', () => `postgres://countersign:${password}@${DATABASE_HOST}/countersign`);
  return names;
}
