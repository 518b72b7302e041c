/**
 * Fails when two files export a class, interface, type or enum of the same name: a name has one meaning in the repository.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, root } from './build.mjs';

const EXPORTED = /^export (?:default |declare |abstract )*(?:class|interface|type|enum) (\w+)/gm;
const FOLDERS = ['apps', 'libs', 'test', 'bench'];

/** @returns a line for each name that more than one file below a folder exports */
export function repeatedNames(folder) {
  const files = FOLDERS.flatMap((name) =>
    readdirSync(join(folder, name), { recursive: true })
      .filter((file) => /\.tsx?$/.test(file) && !file.endsWith('openapi.d.ts'))
      .map((file) => join(name, file)),
  );
  const filesOf = new Map();
  for (const file of files) {
    for (const [, name] of readFileSync(join(folder, file), 'utf8').matchAll(EXPORTED)) {
      filesOf.set(name, new Set([...(filesOf.get(name) ?? []), file]));
    }
  }
  return [...filesOf]
    .filter(([, exporting]) => exporting.size > 1)
    .map(([name, exporting]) => `${name} is exported by ${[...exporting].join(' and ')}; rename one of them`);
}

if (isMain(import.meta.url)) {
  const found = repeatedNames(root);
  for (const line of found) process.stderr.write(`${line}\n`);
  process.exit(found.length > 0 ? 1 : 0);
}
