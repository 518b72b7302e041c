import { describe, expect, it } from '@jest/globals';
import { StatsQuery } from './stats-query.js';

const UNKNOWN = { pending: NaN, oldestAgeSeconds: NaN };

describe('the values of a database, for a scrape', () => {
  it('are queried once for all simultaneous reads', async () => {
    let queries = 0;
    const stats = new StatsQuery(() => Promise.resolve({ pending: ++queries, oldestAgeSeconds: 0 }), UNKNOWN);
    const both = await Promise.all([stats.read(), stats.read()]);
    expect([...both, await stats.read()].map(({ pending }) => pending)).toEqual([1, 1, 1]);
  });

  it('are unknown after a short wait while the database hangs, and starts no second query', async () => {
    let queries = 0;
    const stats = new StatsQuery<typeof UNKNOWN>(() => {
      queries++;
      return new Promise(() => undefined);
    }, UNKNOWN);
    expect(await Promise.all([stats.read(), stats.read()])).toEqual([UNKNOWN, UNKNOWN]);
    expect(await stats.read()).toEqual(UNKNOWN);
    expect(queries).toBe(1);
  });

  it('are unknown while the database fails, and known again after it recovers', async () => {
    let fails = true;
    const stats = new StatsQuery(
      () => (fails ? Promise.reject(new Error('gone')) : Promise.resolve({ pending: 3, oldestAgeSeconds: 9 })),
      UNKNOWN,
    );
    expect(await stats.read()).toEqual(UNKNOWN);
    fails = false;
    expect(await stats.read()).toEqual({ pending: 3, oldestAgeSeconds: 9 });
  });
});
