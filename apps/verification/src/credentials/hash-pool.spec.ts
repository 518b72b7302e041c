import fc from 'fast-check';
import { HashPool } from './hash-pool.js';

const CALLER = { tenant: 'acme', agent: 'desk', caller: 'c' };
/** A caller of its own for each hash. */
const callerOf = (n: number) => ({ tenant: 'acme', agent: 'desk', caller: `caller ${n}` });

/** A task that ends on demand. */
function task(name: string, log: string[]) {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const run = async (): Promise<undefined> => {
    log.push(name);
    await ended;
  };
  return { run, end: () => end() };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the hash pool', () => {
  it('never has more hashes at a time than its size, and takes them in turn', async () => {
    const pool = new HashPool(2, 10);
    const log: string[] = [];
    const tasks = ['a', 'b', 'c', 'd'].map((name) => task(name, log));
    const runs = tasks.map(({ run }, n) => pool.run(callerOf(n), run));
    await turn();
    expect([log, pool.waiting]).toEqual([['a', 'b'], 2]);
    tasks[1]?.end();
    await turn();
    expect(log).toEqual(['a', 'b', 'c']);
    for (const { end } of tasks) end();
    await Promise.all(runs);
    expect([log, pool.waiting]).toEqual([['a', 'b', 'c', 'd'], 0]);
  });

  it('continues after a hash that failed', async () => {
    const pool = new HashPool(1, 10);
    await expect(pool.run(CALLER, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await pool.run(CALLER, () => Promise.resolve(7))).toBe(7);
  });

  it('reserves no more hash slots than it has places and queue, and releases each once', () => {
    const pool = new HashPool(1, 3);
    const slots = ['a', 'a', 'b', 'c'].map((tenant) => pool.reserve(tenant));
    expect([slots.every((slot) => slot !== undefined), pool.reserve('d'), pool.load]).toEqual([true, undefined, 4]);
    slots[2]?.();
    slots[2]?.();
    expect(pool.load).toBe(3);
    expect(pool.reserve('d')).toBeDefined();
  });

  it('refuses slots to a tenant that has half of them, and none to the tenants that come after it', () => {
    const pool = new HashPool(4, 256);
    let reserved = 0;
    while (pool.reserve('busy') !== undefined) reserved++;
    expect(reserved).toBe(130);
    for (let n = 0; n < 40; n++) expect(pool.reserve('quiet')).toBeDefined();
    expect(pool.reserve('busy')).toBeUndefined();
  });

  it('begins the only hash of a tenant before all but the first 5 of 400 of another one', async () => {
    const pool = new HashPool(4, 1_000);
    const log: string[] = [];
    const hash = (name: string) => async (): Promise<void> => {
      await turn();
      log.push(name);
    };
    const busy = Array.from({ length: 400 }, (_, n) =>
      pool.run({ tenant: 'busy', agent: `agent ${n % 3}`, caller: `caller ${n}` }, hash('busy')),
    );
    await Promise.all([...busy, pool.run({ tenant: 'quiet', agent: 'desk', caller: 'c' }, hash('quiet'))]);
    expect([log.length, log.indexOf('quiet')]).toEqual([401, 5]);
  });

  it('begins the hash of a tenant at once in a place that is reserved while another one has all others', async () => {
    const pool = new HashPool(4, 1_000, 1);
    const log: string[] = [];
    const tasks = Array.from({ length: 10 }, (_, n) => task(`busy ${n}`, log));
    const busy = tasks.map(({ run }, n) => pool.run({ tenant: 'busy', agent: 'desk', caller: `caller ${n}` }, run));
    await turn();
    expect([log, pool.queuedOf('busy'), pool.queuedOf('quiet')]).toEqual([['busy 0', 'busy 1', 'busy 2'], 7, 0]);
    const [first, second] = [task('quiet 0', log), task('quiet 1', log)];
    const quiet = [first, second].map(({ run }, n) =>
      pool.run({ tenant: 'quiet', agent: 'desk', caller: `caller ${n}` }, run),
    );
    await turn();
    expect(log.slice(3)).toEqual(['quiet 0']);
    first.end();
    await turn();
    expect(log.slice(4)).toEqual(['quiet 1']);
    for (const { end } of [second, ...tasks]) end();
    await Promise.all([...busy, ...quiet]);
    expect([log.length, pool.waiting]).toEqual([12, 0]);
  });

  it('runs background work only when no attempt waits, one task at a time', async () => {
    const pool = new HashPool(2, 10);
    const log: string[] = [];
    const guesses = ['a', 'b', 'c'].map((name) => task(name, log));
    const later = ['x', 'y'].map((name) => task(name, log));
    const runs = guesses.map(({ run }, n) => pool.run(callerOf(n), run));
    for (const { run } of later) pool.runInBackground(run);
    await turn();
    expect(log).toEqual(['a', 'b']);
    guesses[0]?.end();
    await turn();
    expect(log).toEqual(['a', 'b', 'c']);
    guesses[1]?.end();
    await turn();
    expect(log).toEqual(['a', 'b', 'c', 'x']);
    guesses[2]?.end();
    await Promise.all(runs);
    await turn();
    expect(log).toEqual(['a', 'b', 'c', 'x']);
    const guess = task('d', log);
    const run = pool.run(CALLER, guess.run);
    await turn();
    expect(log.at(-1)).toBe('d');
    for (const one of [...later, guess]) one.end();
    await run;
    await turn();
    expect(log.at(-1)).toBe('y');
    expect(pool.waiting).toBe(0);
  });

  it('runs hashes of imports one at a time beside attempts, and on half of its places without any', async () => {
    const pool = new HashPool(4, 10);
    const log: string[] = [];
    const attempt = task('attempt', log);
    const imports = ['import 1', 'import 2', 'import 3', 'import 4'].map((name) => task(name, log));
    const running = pool.run(CALLER, attempt.run);
    await turn();
    const imported = Promise.all(imports.map(({ run }) => pool.runImport(run)));
    await turn();
    expect(log).toEqual(['attempt', 'import 1']);
    attempt.end();
    await running;
    await turn();
    expect(log).toEqual(['attempt', 'import 1', 'import 2']);
    const late = [5, 6, 7].map((n) => task(`attempt ${n}`, log));
    const waiting = late.map(({ run }, n) => pool.run(callerOf(n), run));
    await turn();
    // Two places are free, and the third attempt precedes the imports that wait.
    expect(log.slice(3)).toEqual(['attempt 5', 'attempt 6']);
    imports[0]?.end();
    await turn();
    expect(log.slice(3)).toEqual(['attempt 5', 'attempt 6', 'attempt 7']);
    for (const { end } of [...late, ...imports]) end();
    await Promise.all(waiting);
    await imported;
    expect([log.length, pool.waiting]).toEqual([8, 0]);
  });

  it('continues with the next hash of an import after one that failed', async () => {
    const pool = new HashPool(2, 10);
    await expect(pool.runImport(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await pool.runImport(() => Promise.resolve(7))).toBe(7);
  });

  it('runs the rest of background work after the waiting hashes and before other background work', async () => {
    const pool = new HashPool(1, 10);
    const log: string[] = [];
    const [first, guess, second, other] = ['first', 'guess', 'second', 'other'].map((name) => task(name, log));
    if (!first || !guess || !second || !other) throw new Error('four tasks');
    pool.runInBackground(async () => {
      await first.run();
      return second.run;
    });
    for (let n = 0; n < 64; n++) pool.runInBackground(other.run);
    const run = pool.run(CALLER, guess.run);
    for (const { end } of [first, guess, second, other]) {
      end();
      await turn();
    }
    await run;
    expect(log.slice(0, 4)).toEqual(['first', 'guess', 'second', 'other']);
    while (pool.waiting > 0) await turn();
    expect(log.filter((name) => name === 'other')).toHaveLength(64);
  });

  it('drops background work beyond a bound, and continues after its failures', async () => {
    const pool = new HashPool(1, 1);
    const holder = task('a', []);
    const run = pool.run(CALLER, holder.run);
    let ran = 0;
    for (let n = 0; n < 200; n++) {
      pool.runInBackground(() => {
        ran++;
        return Promise.reject(new Error('no'));
      });
    }
    expect(pool.waiting).toBe(64);
    holder.end();
    await run;
    while (pool.waiting > 0) await turn();
    expect(ran).toBe(64);
    expect(await pool.run(CALLER, () => Promise.resolve(7))).toBe(7);
  });

  it('hashes the only attempt of a caller before the third of another one', async () => {
    const pool = new HashPool(1, 10);
    const log: string[] = [];
    const loud = { tenant: 'acme', agent: 'desk', caller: 'loud' };
    const tasks = ['first', 'second', 'third'].map((name) => task(name, log));
    const quiet = task('quiet', log);
    const runs = [
      ...tasks.map(({ run }) => pool.run(loud, run)),
      pool.run({ tenant: 'acme', agent: 'desk', caller: 'quiet' }, quiet.run),
    ];
    for (const { end } of [...tasks, quiet]) end();
    await Promise.all(runs);
    expect(log).toEqual(['first', 'second', 'quiet', 'third']);
  });

  it('reserves hash slots for callers with a single attempt in flight', async () => {
    const pool = new HashPool(8, 100);
    const log: string[] = [];
    const guessers = ['a', 'b', 'c'].map((caller) => ({ tenant: 'acme', agent: 'desk', caller }));
    const loud = guessers.flatMap((asker) =>
      Array.from({ length: 10 }, (_, n) => ({ asker, ...task(`${asker.caller}${n}`, log) })),
    );
    const quiet = [0, 1, 2, 3].map((n) => task(`quiet ${n}`, log));
    const runs = loud.map(({ asker, run }) => pool.run(asker, run));
    await turn();
    // One of each, and a quarter of the places for what else they ask for.
    expect([...log].sort()).toEqual(['a0', 'a1', 'a2', 'b0', 'c0']);
    const further = quiet.map(({ run }, n) => pool.run(callerOf(n), run));
    await turn();
    expect(log.slice(5)).toEqual(['quiet 0', 'quiet 1', 'quiet 2']);
    for (const { end } of [...loud, ...quiet]) end();
    await Promise.all([...runs, ...further]);
    expect([log.length, pool.waiting]).toEqual([34, 0]);
  });

  it('runs every hash and releases every slot, for any mix of callers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.record({ caller: fc.constantFrom('a', 'b', 'c', 'd'), turns: fc.nat(3) }), { maxLength: 60 }),
        async (size, asked) => {
          const pool = new HashPool(size, 100);
          let [running, most, done] = [0, 0, 0];
          const hashes = asked.map(({ caller, turns }) =>
            pool.run({ tenant: 't', agent: 'desk', caller }, async () => {
              most = Math.max(most, ++running);
              for (let n = 0; n < turns; n++) await Promise.resolve();
              running -= 1;
              done += 1;
            }),
          );
          await Promise.all(hashes);
          expect([done, running, pool.waiting]).toEqual([asked.length, 0, 0]);
          expect(most).toBeLessThanOrEqual(size);
          // All places are there again.
          const again = Array.from({ length: size }, (_, n) => task(`${n}`, []));
          const runs = again.map(({ run }, n) => pool.run(callerOf(n), run));
          expect(pool.waiting).toBe(0);
          for (const { end } of again) end();
          await Promise.all(runs);
        },
      ),
      { numRuns: 300 },
    );
  });
});
