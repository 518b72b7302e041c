/** `npm run bench [-- arguments]`: builds and runs bench/main.ts. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, root } from './build.mjs';

buildIfStale();
await import(pathToFileURL(join(root, 'dist', 'bench', 'main.js')).href);
