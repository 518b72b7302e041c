import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Migration, type MigrationClass } from './migrate.js';

/** `<13 digits>-<name>.sql`: milliseconds since 1970, which order migrations, and what the file is about. */
const FILE_NAME = /^(\d{13})-([a-z0-9-]+)\.sql$/;

/**
 * Migrations that are SQL files. Each runs as it stands, in one transaction. A file that was released is never edited: add
 * another one.
 * @param folder where the files are, usually `new URL('.', import.meta.url)`
 * @param names names of the files; every migration that there ever was
 * @throws Error for a name that is not `<13 digits>-<name>.sql`, and for a file that cannot be read
 */
export function sqlMigrations(folder: URL, names: readonly string[]): MigrationClass[] {
  return names.map((name) => {
    const [, time, words] = FILE_NAME.exec(basename(name)) ?? [];
    if (time === undefined || words === undefined) {
      throw new Error(`The migration ${name} must be named <13 digits>-<name>.sql`);
    }
    const statements = [readFileSync(new URL(name, folder), 'utf8')];
    const migration = class extends Migration {
      override readonly statements = statements;
    };
    // The name of the class is what the table of migrations keeps.
    Object.defineProperty(migration, 'name', { value: `${words.replaceAll('-', '_')}${time}` });
    return migration;
  });
}
