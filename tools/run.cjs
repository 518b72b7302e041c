/** Runs one app in this process: `node tools/run.cjs <app> [arguments]`. CommonJS, because of what it requires first. */
require('./process.cjs');
import('./run.mjs');
