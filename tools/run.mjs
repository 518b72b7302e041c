/** What run.cjs loads once the process is set up. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, root } from './build.mjs';

const [app = '', ...rest] = process.argv.slice(2);
// The console is a page, which the REST adapter serves.
const apps = readdirSync(join(root, 'apps')).filter((name) => name !== 'console');
if (!apps.includes(app)) {
  process.stderr.write(`Which service? One of: ${apps.filter((name) => name !== 'cli').join(', ')}\n`);
  process.exit(2);
}
await buildIfStale();
const main = join(root, 'dist', 'bin', `${app}.js`);
if (!existsSync(main)) {
  process.stderr.write(`The build has no ${app}: remove the folder dist and try again.\n`);
  process.exit(1);
}
process.argv.splice(1, process.argv.length - 1, main, ...rest);
await import(pathToFileURL(main).href);
