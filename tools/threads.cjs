/**
 * As many threads in libuv's pool as there are cores, unless the environment says otherwise: hashes run there, and more of
 * them at a time make all of them slower. To be loaded before anything else (`node --require`), because libuv reads the
 * size once, and the loader of ES modules uses the pool.
 */
const { availableParallelism } = require('node:os');

process.env.UV_THREADPOOL_SIZE ||= String(Math.max(2, availableParallelism()));
