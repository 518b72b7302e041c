import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureSecretFiles } from '@countersign/hosting';

const DATABASE_HOST = 'postgres:5432';

/**
 * Makes what `docker-compose.yml` mounts: the product's own secrets, the password of the database, and the URL that
 * holds it. Says what it made, never a value. The folder itself stays closed to other users of the host (0700); inside a
 * container a mounted file is reached all the same, so there the mode of the file decides.
 */
export async function createSecrets(folder: string, options: { readable?: true }): Promise<void> {
  const mode = options.readable ? 0o644 : 0o600;
  const { made } = await ensureSecretFiles(folder, mode);
  const names: string[] = [...made];
  const passwordFile = join(folder, 'POSTGRES_PASSWORD');
  if (!existsSync(passwordFile)) {
    const password = randomBytes(24).toString('base64url');
    writeFileSync(passwordFile, password, { mode, flag: 'wx' });
    writeFileSync(join(folder, 'DATABASE_URL'), `postgres://countersign:${password}@${DATABASE_HOST}/countersign`, {
      mode,
    });
    names.push('POSTGRES_PASSWORD', 'DATABASE_URL');
  }
  const text = names.length > 0 ? `made ${names.join(', ')} in ${folder}` : `nothing to make: ${folder} is complete`;
  process.stdout.write(`${text}\n`);
}
