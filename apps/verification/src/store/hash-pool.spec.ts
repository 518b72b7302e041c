import { HashPool } from './hash-pool.js';

const ASKER = { tenant: 'acme', caller: 'c' };

/** A task that ends when it is told to. */
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
    const runs = tasks.map(({ run }) => pool.run(ASKER, run));
    await turn();
    expect([log, pool.waiting]).toEqual([['a', 'b'], 2]);
    tasks[1]?.end();
    await turn();
    expect(log).toEqual(['a', 'b', 'c']);
    for (const { end } of tasks) end();
    await Promise.all(runs);
    expect([log, pool.waiting]).toEqual([['a', 'b', 'c', 'd'], 0]);
  });

  it('goes on after a hash that failed', async () => {
    const pool = new HashPool(1, 10);
    await expect(pool.run(ASKER, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await pool.run(ASKER, () => Promise.resolve(7))).toBe(7);
  });

  it('hands out places for those that are hashed and those that wait, and no more', () => {
    const pool = new HashPool(1, 2);
    const releases = [pool.reserve(), pool.reserve(), pool.reserve()];
    expect(pool.reserve()).toBeUndefined();
    releases[0]?.();
    releases[0]?.();
    expect(pool.load).toBe(2);
    expect(pool.reserve()).toBeDefined();
  });

  it('lets work that nobody waits for run when no guess waits, and one at a time', async () => {
    const pool = new HashPool(2, 10);
    const log: string[] = [];
    const guesses = ['a', 'b', 'c'].map((name) => task(name, log));
    const later = ['x', 'y'].map((name) => task(name, log));
    const runs = guesses.map(({ run }) => pool.run(ASKER, run));
    for (const { run } of later) pool.later(run);
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
    const run = pool.run(ASKER, guess.run);
    await turn();
    expect(log.at(-1)).toBe('d');
    for (const one of [...later, guess]) one.end();
    await run;
    await turn();
    expect(log.at(-1)).toBe('y');
    expect(pool.waiting).toBe(0);
  });

  it('takes what is left of such work behind the guesses that came meanwhile, and before other such work', async () => {
    const pool = new HashPool(1, 10);
    const log: string[] = [];
    const [first, guess, second, other] = ['first', 'guess', 'second', 'other'].map((name) => task(name, log));
    if (!first || !guess || !second || !other) throw new Error('four tasks');
    pool.later(async () => {
      await first.run();
      return second.run;
    });
    for (let n = 0; n < 64; n++) pool.later(other.run);
    const run = pool.run(ASKER, guess.run);
    for (const { end } of [first, guess, second, other]) {
      end();
      await turn();
    }
    await run;
    expect(log.slice(0, 4)).toEqual(['first', 'guess', 'second', 'other']);
    while (pool.waiting > 0) await turn();
    expect(log.filter((name) => name === 'other')).toHaveLength(64);
  });

  it('drops such work beyond a bound, and outlives its failures', async () => {
    const pool = new HashPool(1, 1);
    const holder = task('a', []);
    const run = pool.run(ASKER, holder.run);
    let ran = 0;
    for (let n = 0; n < 200; n++) {
      pool.later(() => {
        ran++;
        return Promise.reject(new Error('no'));
      });
    }
    expect(pool.waiting).toBe(64);
    holder.end();
    await run;
    while (pool.waiting > 0) await turn();
    expect(ran).toBe(64);
    expect(await pool.run(ASKER, () => Promise.resolve(7))).toBe(7);
  });

  it('takes the one guess of a caller before the second of another, however many those are', async () => {
    const pool = new HashPool(1, 10);
    const log: string[] = [];
    const loud = { tenant: 'acme', caller: 'loud' };
    const tasks = ['first', 'second', 'third'].map((name) => task(name, log));
    const quiet = task('quiet', log);
    const runs = [
      ...tasks.map(({ run }) => pool.run(loud, run)),
      pool.run({ tenant: 'acme', caller: 'quiet' }, quiet.run),
    ];
    for (const { end } of [...tasks, quiet]) end();
    await Promise.all(runs);
    expect(log).toEqual(['first', 'second', 'quiet', 'third']);
  });
});
