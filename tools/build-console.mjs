/**
 * Builds the console, the page that operators use, from `apps/console` into `dist/console`, and generates the types of the API
 * that it compiles with. The page is joined from its packages, so a release needs none of them.
 */
import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @param root the folder of the repository
 * @param newest when the newest source below a path was written
 */
export async function buildConsole(root, newest) {
  await generateApiTypes(root);
  const output = join(root, 'dist', 'console');
  const stamp = join(root, 'dist', '.console-built');
  const built = existsSync(stamp) && existsSync(join(output, 'index.html')) ? statSync(stamp).mtimeMs : 0;
  const sources = ['apps/console', 'package-lock.json', 'tools/build-console.mjs'];
  if (sources.every((input) => newest(join(root, input)) <= built)) return;
  const vite = await import('vite').catch(() => undefined);
  if (vite === undefined) {
    // A release contains the built page. A checkout needs the packages of package-lock.json.
    if (built === 0) process.stderr.write('The console is not built, because vite is not installed: run "npm ci".\n');
    return;
  }
  const started = new Date();
  await vite.build({
    configFile: false,
    root: join(root, 'apps', 'console'),
    base: '/console/',
    logLevel: 'error',
    build: {
      outDir: output,
      emptyOutDir: true,
      target: 'es2022',
      // An asset inside a style or script would need a policy that permits `data:` addresses there.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
  writeFileSync(stamp, '');
  // A source that changed during the build counts as newer.
  utimesSync(stamp, started, started);
}

/** Writes the types of the API, when the description of the API is newer. They are not in the repository. */
export async function generateApiTypes(root) {
  const description = join(root, 'docs', 'openapi.json');
  const types = join(root, 'apps', 'console', 'src', 'api', 'openapi.d.ts');
  if (!existsSync(description)) return;
  if (existsSync(types) && statSync(types).mtimeMs > statSync(description).mtimeMs) return;
  const generator = await import('openapi-typescript').catch(() => undefined);
  if (generator === undefined) return;
  const tree = await generator.default(JSON.parse(readFileSync(description, 'utf8')));
  mkdirSync(dirname(types), { recursive: true });
  writeFileSync(types, generator.astToString(tree));
}
