import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { ConcurrentIndexes, Migration, type MigrationClass } from './migrate.js';

/** `<13 digits>-<name>[.indexes].sql`: milliseconds since 1970, which order migrations, and a name. */
const FILE_NAME = /^(\d{13})-([a-z0-9-]+)(\.indexes)?\.sql$/;
const END_OF_STATEMENT = /;\s*$/m;

/**
 * Creates migrations from SQL files. Each file runs unchanged, in one transaction; a file `….indexes.sql` runs without one, as
 * {@link ConcurrentIndexes}, and each of its statements ends at the end of a line. A released file is never edited; add
 * another one instead.
 * @param folder the folder of the files, usually `new URL('.', import.meta.url)`
 * @param names file names of all migrations of the schema
 * @throws Error for a name that is not `<13 digits>-<name>[.indexes].sql`, and for an unreadable file
 */
export function sqlMigrations(folder: URL, names: readonly string[]): MigrationClass[] {
  return names.map((name) => {
    const [, time, title, indexes] = FILE_NAME.exec(basename(name)) ?? [];
    if (time === undefined || title === undefined) {
      throw new Error(`The migration ${name} must be named <13 digits>-<name>[.indexes].sql`);
    }
    const text = readFileSync(new URL(name, folder), 'utf8');
    const statements = indexes === undefined ? [text] : text.split(END_OF_STATEMENT).filter((one) => one.trim() !== '');
    const migration =
      indexes === undefined
        ? class extends Migration {
            override readonly statements = statements;
          }
        : class extends ConcurrentIndexes {
            override readonly statements = statements;
          };
    // TypeORM stores the class name in the table of migrations.
    Object.defineProperty(migration, 'name', { value: `${title.replaceAll('-', '_')}${time}` });
    return migration;
  });
}
