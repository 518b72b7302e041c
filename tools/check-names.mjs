/**
 * An exported class, interface or type has a name of its own in the whole repository, so that a name means one thing.
 * Fails on a second one of the same name in another file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './build.mjs';

const EXPORTED = /^export (?:default |declare |abstract )*(?:class|interface|type|enum) (\w+)/gm;
const files = ['apps', 'libs', 'test', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file)),
);
const places = new Map();
for (const file of files) {
  for (const [, name] of readFileSync(join(root, file), 'utf8').matchAll(EXPORTED)) {
    places.set(name, new Set([...(places.get(name) ?? []), file]));
  }
}
const doubled = [...places].filter(([, found]) => found.size > 1);
for (const [name, found] of doubled) {
  process.stderr.write(`names: ${name} is exported twice: ${[...found].join(', ')}; rename one of them\n`);
}
process.exit(doubled.length > 0 ? 1 : 0);
