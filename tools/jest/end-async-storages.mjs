/**
 * Jest's `setupFiles`: disables the `AsyncLocalStorage`s of the files that this worker has run before. Each file loads its own
 * copies of jest-circus, Nest and the tracing, and so creates some. Node copies the value of every enabled storage to every
 * new promise, so without this a worker becomes slower with each file that it runs.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Modules of Node are the same objects for all files of a worker, so this remains from file to file. */
const KEY = Symbol.for('countersign.used-async-storages');
const { prototype } = AsyncLocalStorage;

if (prototype[KEY] === undefined) {
  const used = new Set();
  prototype[KEY] = used;
  for (const name of ['run', 'enterWith']) {
    const original = prototype[name];
    prototype[name] = function (...args) {
      used.add(this);
      return original.apply(this, args);
    };
  }
}
for (const storage of prototype[KEY]) storage.disable();
prototype[KEY].clear();
