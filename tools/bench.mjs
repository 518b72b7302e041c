/** `npm run bench [-- arguments]`: builds and runs bench/main.ts. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildTestsIfStale, root } from './build.mjs';

await buildTestsIfStale();
await import(pathToFileURL(join(root, 'build', 'bench', 'main.js')).href);
