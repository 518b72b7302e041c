/**
 * Runs one app in this process: `node tools/run.cjs <app> [arguments]`.
 * CommonJS, because libuv reads the size of its thread pool once, before the first ES module is loaded. As many threads
 * as there are cores: more hashes at a time make all of them slower.
 */
const { availableParallelism } = require('node:os');

process.env.UV_THREADPOOL_SIZE ??= String(Math.max(2, availableParallelism()));
import('./run.mjs');
