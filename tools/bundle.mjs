/**
 * Joins the modules of each app, its packages included, into few files: `dist/bin/<app>.js`. Node spends most of a start on
 * finding and opening some 1,900 modules; from a bundle, a service starts in a third of the time.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

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
  "import { fileURLToPath as bundlePath } from 'node:url';",
  'const require = bundleRequire(import.meta.url);',
  'const __filename = bundlePath(import.meta.url);',
  "const __dirname = bundlePath(new URL('.', import.meta.url));",
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
    plugins: [outsidePackages, ownPlaces(bin)],
  });
}

const mainOf = (dist, app) => join(dist, 'apps', app, 'src', 'main.js');

/** Leaves out the packages above, and those that a package would use if they were installed. */
const outsidePackages = {
  name: 'outside packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === 'resolving') return undefined;
      if (OUTSIDE.test(path)) return { path, external: true };
      const { errors, ...found } = await build.resolve(path, { ...rest, pluginData: 'resolving' });
      return errors.length > 0 ? { path, external: true } : found;
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
