/** How the process of a service is set up; to be loaded before anything else (`node --require`). */
const { allowedProcessors } = require('./processors.cjs');

/**
 * As many threads in libuv's pool as the process may use processors, unless the environment says otherwise: hashes run there,
 * or in as many threads of `native/argon2`, and more of them at a time make all of them slower. libuv reads the size once, and the loader of ES modules uses the pool.
 */
process.env.UV_THREADPOOL_SIZE ||= String(Math.max(2, allowedProcessors()));

/**
 * Hashes have a lower priority. They keep every core busy while attempts wait; at the same priority, each answer
 * to a request that needs no hash would wait for its turn among them. The first use of the pool starts its threads.
 */
const LOWER_PRIORITY = 10;
if (process.platform === 'linux') {
  const { readdirSync, stat } = require('node:fs');
  const { getPriority, setPriority } = require('node:os');
  const threads = () => readdirSync('/proc/self/task');
  const before = new Set(threads());
  stat('/', () => undefined);
  const pool = threads().filter((thread) => !before.has(thread));
  // Only lower: only root may raise a priority.
  if (getPriority() < LOWER_PRIORITY) for (const thread of pool) setPriority(Number(thread), LOWER_PRIORITY);
}
