/**
 * Joins the modules of each app, its packages included, into few files: `dist/bin/<app>.js`. Node spends most of a start on
 * finding and opening some 1,900 modules; from a bundle, a service starts in a third of the time.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

/**
 * Packages that stay outside: native code, and those that tests of faults change in a running process
 * (`test/invariants/kill-points.mjs`).
 */
const OUTSIDE = /^(@node-rs\/|pg($|\/)|kafkajs($|\/)|reflect-metadata$)/;
/**
 * At the head of every file. First what decorators need: the order of modules in different files is not kept. Then the
 * names that CommonJS packages use and modules do not have.
 */
const HEAD = [
  "import 'reflect-metadata';",
  "import { createRequire as bundleRequire } from 'node:module';",
  "import { fileURLToPath as bundlePath, URL as BundleUrl } from 'node:url';",
  'const require = bundleRequire(import.meta.url);',
  'const __filename = bundlePath(import.meta.url);',
  "const __dirname = bundlePath(new BundleUrl('.', import.meta.url));",
].join('\n');

/** @param dist the folder of the compiled modules */
export async function bundleApps(dist) {
  // Not installed with a release, which contains its build.
  const { build } = await import('esbuild');
  const bin = join(dist, 'bin');
  rmSync(bin, { recursive: true, force: true });
  const apps = readdirSync(join(dist, 'apps')).filter((app) => existsSync(mainOf(dist, app)));
  await build({
    entryPoints: Object.fromEntries(apps.map((app) => [app, mainOf(dist, app)])),
    outdir: bin,
    bundle: true,
    splitting: true,
    chunkNames: 'shared-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Nest and TypeORM identify classes by their names.
    keepNames: true,
    banner: { js: HEAD },
    logLevel: 'error',
    // An own module that is imported for its effects alone would be left out.
    logOverride: { 'ignored-bare-import': 'error' },
    plugins: [ownModules(dist), outsidePackages, ownPlaces(bin), otherDatabases],
  });
}

const mainOf = (dist, app) => join(dist, 'apps', app, 'src', 'main.js');

/** Own modules have no effects beside their exports, so one with exports that an app does not use is left out. */
const ownModules = (dist) => ({
  name: 'own modules',
  setup(build) {
    build.onResolve({ filter: /^\.{1,2}\/.*\.js$/ }, ({ path, resolveDir }) =>
      resolveDir.startsWith(dist) ? { path: join(resolveDir, path), sideEffects: false } : undefined,
    );
  },
});

/** Packages that Node would load as CommonJS and whole. Of their ES modules, the bundler takes what is used. */
const ES_MODULES = { '/rxjs/dist/': 'esm/', '/class-validator/': 'esm2015/' };
const COMMON_JS = /(\/rxjs\/dist\/|\/class-validator\/)cjs\//;

/** Nest's ValidationPipe imports all of it unless it is given a validator, as `RequestPipe` does. */
const isUnusedImport = (path, kind) => path === 'class-validator' && kind === 'dynamic-import';

/** Leaves out the packages above, and those that a package would use if they were installed. */
const outsidePackages = {
  name: 'outside packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === 'resolving') return undefined;
      if (OUTSIDE.test(path) || isUnusedImport(path, rest.kind)) return { path, external: true };
      const { errors, ...found } = await build.resolve(path, { ...rest, pluginData: 'resolving' });
      if (errors.length > 0) return { path, external: true };
      return { ...found, path: found.path.replace(COMMON_JS, (_, name) => name + ES_MODULES[name]) };
    });
  },
};

/** Modules find files beside them by `import.meta.url`; in a bundle it still means the place of the module. */
const ownPlaces = (bin) => ({
  name: 'own places',
  setup(build) {
    build.onLoad({ filter: /\/dist\/(apps|libs)\/.*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        `new URL(${JSON.stringify(relative(bin, path).replaceAll('\\', '/'))}, import.meta.url).href`,
      ),
      resolveDir: dirname(path),
    }));
  },
});

/** TypeORM loads the code of every kind of database that it supports, which is half of TypeORM; the product uses PostgreSQL. */
const DATABASE_CLASSES =
  /\/typeorm\/(driver\/[\w-]+\/\w+(Driver|QueryRunner)|entity-manager\/MongoEntityManager|repository\/MongoRepository)\.js$/;

/** Replaces each class of another database by an empty one. */
const otherDatabases = {
  name: 'other databases',
  setup(build) {
    build.onLoad({ filter: DATABASE_CLASSES }, ({ path }) => {
      const name = basename(path, '.js');
      if (name.startsWith('Postgres')) return undefined;
      return { contents: `exports.${name} = class ${name} {};` };
    });
  },
};
