import { describe, expect, it } from '@jest/globals';
import { OutboxStats } from './outbox-stats.js';

const UNKNOWN = { pending: NaN, oldestAgeSeconds: NaN };

describe('the backlog of an outbox, for a scrape', () => {
  it('is queried once for all simultaneous reads', async () => {
    let looks = 0;
    const figures = new OutboxStats(() => Promise.resolve({ pending: ++looks, oldestAgeSeconds: 0 }));
    const both = await Promise.all([figures.read(), figures.read()]);
    expect([...both, await figures.read()].map(({ pending }) => pending)).toEqual([1, 1, 1]);
  });

  it('is unknown after a short wait while the database hangs, and starts no second query', async () => {
    let looks = 0;
    const figures = new OutboxStats(() => {
      looks++;
      return new Promise(() => undefined);
    });
    expect(await Promise.all([figures.read(), figures.read()])).toEqual([UNKNOWN, UNKNOWN]);
    expect(await figures.read()).toEqual(UNKNOWN);
    expect(looks).toBe(1);
  });

  it('is unknown while the database fails, and known again after it recovers', async () => {
    let fails = true;
    const figures = new OutboxStats(() =>
      fails ? Promise.reject(new Error('gone')) : Promise.resolve({ pending: 3, oldestAgeSeconds: 9 }),
    );
    expect(await figures.read()).toEqual(UNKNOWN);
    fails = false;
    expect(await figures.read()).toEqual({ pending: 3, oldestAgeSeconds: 9 });
  });
});
