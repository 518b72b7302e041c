/**
 * Compiles the sources that a tsconfig names, one by one and without their types: `npm run check` checks those, and a program
 * of TypeScript would need ten times the processor time. The options are those with which jest compiles (`.swcrc`).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** An import of a library by its name. swc writes each import on one line. */
const LIBRARY_IMPORT = /(^(?:import|export) (?:[^'"\n]* from )?|\bimport\()(['"])@countersign\/([\w-]+)\2/gm;

/** Paths of the sources that a tsconfig names, relative to `root`. */
export function sourcesOf(root, config) {
  const ts = createRequire(import.meta.url)('typescript');
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined };
  const { fileNames } = ts.getParsedCommandLineOfConfigFile(join(root, config), {}, host);
  return fileNames.filter((file) => !file.endsWith('.d.ts')).map((file) => relative(root, file));
}

/**
 * Writes a module and its source map for each source.
 * @throws Error of swc, which names the file, the line and the fault of its syntax
 */
export async function compile(root, output, sources) {
  // Not installed with a release, which contains its build.
  const { transform } = await import('@swc/core');
  const options = { ...JSON.parse(readFileSync(join(root, '.swcrc'), 'utf8')), swcrc: false };
  Object.assign(options, { sourceMaps: true, inlineSourcesContent: false });
  await Promise.all(
    sources.map(async (source) => {
      const name = source.replace(/\.ts$/, '.js');
      const target = join(root, output, name);
      const filename = relative(dirname(target), join(root, source));
      const { code, map } = await transform(readFileSync(join(root, source), 'utf8'), {
        ...options,
        filename: join(root, source),
        sourceFileName: filename,
      });
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, `${withLibraryPaths(code, name)}\n//# sourceMappingURL=${name.split('/').at(-1)}.map\n`);
      writeFileSync(`${target}.map`, map);
    }),
  );
}

/** The libraries are folders beside the apps, no packages. */
function withLibraryPaths(code, name) {
  return code.replace(LIBRARY_IMPORT, (_, head, quote, library) => {
    const path = relative(dirname(name), `libs/${library}/src/index.js`);
    return `${head}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
  });
}
