/**
 * Compiles the sources when one is newer than the build, so that no old code runs:
 * `dist` is the product: its modules, and in `dist/bin` a bundle of each app, which is what runs; `build` is everything else that runs outside jest as well (benchmarks, servers for tests).
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleApps } from './bundle.mjs';
import { buildConsole } from './build-console.mjs';
import { buildNative, copyNative } from './build-native.mjs';
import { compile, sourcesOf } from './compile.mjs';
import { patchPackages } from './patch-packages.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Whether a module is the program that runs, and not imported. */
export const isMain = (url) => process.argv[1] === fileURLToPath(url);
const compiler = join(root, 'node_modules', '@swc', 'core');
const CONFIGURATION = ['tools/bundle.mjs', 'tools/compile.mjs', '.swcrc', 'tsconfig.json', 'package-lock.json'];

const SERVED_DOCUMENTS = ['asyncapi.yaml', 'events.css', 'events.html'];

/** Builds the product: `dist`. */
export async function buildIfStale() {
  await build({ output: 'dist', config: 'tsconfig.build.json', sources: ['apps', 'libs'], afterwards: bundleApps });
  await buildConsole(root, newest);
}

/** Builds the product together with the support for tests and the benchmarks: `build`. */
export async function buildTestsIfStale() {
  await build({
    output: 'build',
    config: 'tsconfig.tests.json',
    sources: ['apps', 'libs', 'test', 'bench', 'examples'],
  });
}

async function build({ output, config, sources, afterwards }) {
  patchPackages();
  copyDocuments(output);
  buildNative();
  copyNative(output);
  const stamp = join(root, output, '.built');
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  if ([...sources, config, ...CONFIGURATION].every((input) => newest(join(root, input)) <= built)) return;
  if (!existsSync(compiler)) {
    // `npm ci --omit=dev`: a release contains its build, and the times of its files are meaningless.
    if (existsSync(join(root, output, 'apps'))) return;
    process.stderr.write(
      `There is no folder ${output} and no compiler to make it: run "npm ci" without --omit=dev, or use a release.\n`,
    );
    process.exit(1);
  }
  process.stderr.write('building…\n');
  const started = new Date();
  const modules = sourcesOf(root, config);
  try {
    await compile(root, output, modules);
  } catch (error) {
    process.stderr.write(`${error.message}\nThe build failed.\n`);
    process.exit(1);
  }
  removeForeignOutputs(output, modules);
  copySql(output, sources);
  await afterwards?.(join(root, output));
  writeFileSync(stamp, '');
  // A source that changed while the compiler ran counts as newer.
  utimesSync(stamp, started, started);
}

/** Removes outputs of earlier builds that have no source any more: they could still be imported, or shipped. */
function removeForeignOutputs(output, modules) {
  const expected = new Set(modules.map((file) => file.replace(/\.ts$/, '')));
  const visit = (folder) => {
    for (const entry of readdirSync(join(root, output, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      // The console is built on its own.
      if (path === 'console') continue;
      if (entry.isDirectory()) visit(path);
      else if (
        path.endsWith('.sql') ||
        (/\.js(\.map)?$/.test(path) && !expected.has(path.replace(/\.js(\.map)?$/, '')))
      )
        rmSync(join(root, output, path));
    }
    if (folder !== '' && readdirSync(join(root, output, folder)).length === 0) rmdirSync(join(root, output, folder));
  };
  visit('');
}

/** The REST adapter serves them. They are not compiled, so a change of them needs no build. */
function copyDocuments(output) {
  // A release contains them in its build only.
  for (const name of SERVED_DOCUMENTS.filter((file) => existsSync(join(root, 'docs', file)))) {
    mkdirSync(join(root, output, 'docs'), { recursive: true });
    copyFileSync(join(root, 'docs', name), join(root, output, 'docs', name));
  }
}

/** Migrations are SQL files beside the code that runs them. */
function copySql(output, sources) {
  for (const source of sources) {
    for (const file of readdirSync(join(root, source), { recursive: true })) {
      if (!file.endsWith('.sql')) continue;
      const target = join(root, output, source, file);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(join(root, source, file), target);
    }
  }
}

const CONSOLE = join(root, 'apps', 'console');

/** When the newest source was written. In a folder, only files that are built count. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const times = readdirSync(path, { withFileTypes: true })
    .filter(({ name }) => join(path, name) !== CONSOLE)
    .map((entry) =>
      entry.isDirectory() || /\.(tsx?|sql|css|html)$/.test(entry.name) ? newest(join(path, entry.name)) : 0,
    );
  return Math.max(0, ...times);
}

if (isMain(import.meta.url)) await buildIfStale();
