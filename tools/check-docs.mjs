/** Compares docs/operations.md with the code: settings and their defaults, topics and kinds, metrics, error codes; and every link between pages. */
import 'reflect-metadata';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getMetadataStorage } from 'class-validator';
import { register } from 'prom-client';
import { buildIfStale, root } from './build.mjs';

buildIfStale();
const faults = [];
const load = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const operations = readFileSync(join(root, 'docs', 'operations.md'), 'utf8');

const { BusSettings, StoreSettings } = await load('libs/hosting/src/index.js');
compareSettings('Every service', BusSettings, []);
compareSettings('Services with a database', StoreSettings, namesOf(BusSettings));
for (const app of readdirSync(join(root, 'apps')).filter((name) => name !== 'cli')) {
  const config = await load(`apps/${app}/src/config.js`);
  const [, Settings] = Object.entries(config).find(([name]) => name.endsWith('Settings'));
  const parent = Settings.prototype instanceof StoreSettings ? StoreSettings : BusSettings;
  compareSettings(app, Settings, namesOf(parent));
}

const { TOPICS, CLOCK, DEAD_LETTERS, ERROR_CODES } = await load('libs/contracts/src/index.js');
const topics = rowsBelow('Topics', 2);
for (const { name, kind } of [...Object.values(TOPICS), CLOCK, DEAD_LETTERS]) {
  if (topics.get(name)?.[0] !== kind) faults.push(`the topic ${name} of kind ${kind} is missing`);
}
const codes = rowsBelow('Error codes', 2);
for (const code of ERROR_CODES) if (!codes.has(code)) faults.push(`the error code ${code} is missing`);
for (const code of codes.keys()) if (!ERROR_CODES.includes(code)) faults.push(`there is no error code ${code}`);
await load('libs/observability/src/index.js');
const metrics = [...rowsBelow('Health and metrics', 2).keys()].filter((name) => name.startsWith('countersign_'));
const registered = register
  .getMetricsAsArray()
  .map(({ name, labelNames }) => `${name}{${labelNames.join()}}`)
  .filter((name) => name.startsWith('countersign_'));
for (const name of registered) if (!metrics.includes(name)) faults.push(`the metric ${name} is missing`);
for (const name of metrics) if (!registered.includes(name)) faults.push(`there is no metric ${name}`);
for (const page of pages(root)) checkLinks(page);

for (const fault of faults) process.stderr.write(`docs: ${fault}\n`);
process.exit(faults.length > 0 ? 1 : 0);

function compareSettings(heading, Settings, inherited) {
  const rows = rowsBelow(heading, 3);
  const defaults = new Settings();
  const names = namesOf(Settings).filter((name) => !inherited.includes(name) || rows.has(name));
  for (const name of names) {
    const shown = rows.get(name)?.[0]?.replaceAll('`', '');
    const value = defaults[name];
    const expected = value === undefined ? ['none', 'required'] : value === '' ? ['empty'] : [String(value)];
    if (!expected.includes(shown)) faults.push(`${heading}: ${name} is ${expected.join(' or ')}, not ${shown}`);
  }
  for (const name of rows.keys()) if (!names.includes(name)) faults.push(`${heading}: there is no setting ${name}`);
}

function namesOf(Settings) {
  const rules = getMetadataStorage().getTargetValidationMetadatas(Settings, '', true, false);
  return [...new Set(rules.map((rule) => rule.propertyName))];
}

/** Rows of the tables below a heading, by the name in their first cell; the other cells as they are. */
function rowsBelow(heading, level) {
  const [, after = ''] = operations.split(`\n${'#'.repeat(level)} ${heading}\n`);
  const section = after.split(new RegExp(`\n#{1,${level}} `))[0];
  const rows = [...section.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)];
  return new Map(rows.map(([, name, rest]) => [name, rest.split('|').map((cell) => cell.trim())]));
}

function pages(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || ['node_modules', 'dist', 'data', 'secrets'].includes(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? pages(path) : entry.name.endsWith('.md') ? [path] : [];
  });
}

function checkLinks(page) {
  const text = readFileSync(page, 'utf8');
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path, anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    const place = `${relative(root, page)}: ${target}`;
    if (!existsSync(file)) faults.push(`${place} leads nowhere`);
    else if (anchor && !anchorsOf(file).has(anchor)) faults.push(`${place} has no such heading`);
  }
}

function anchorsOf(file) {
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}
