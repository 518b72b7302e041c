import { randomUUID } from 'node:crypto';
import { DIRECTORY_CACHE_SERVICES, DirectoryCacheReported, message } from '@countersign/contracts';
import { validateSync } from 'class-validator';
import { LiveCaches } from './live-caches.js';

const LIMIT_MS = 30;
/** Longer than a test, so that it is distinguished from the short limit. */
const LONG_MS = 60_000;
const MAX_PER_SERVICE = 3;

function open(limits: { readonly shortForMs?: number } = {}) {
  const late: (readonly string[])[] = [];
  const tooMany: string[] = [];
  const options = {
    ...{ limitMs: LIMIT_MS, shortLimitMs: LIMIT_MS, shortForMs: 0, maxPerService: MAX_PER_SERVICE, ...limits },
    onLate: (services: readonly string[]) => late.push(services),
    onTooMany: (service: string) => tooMany.push(service),
  };
  const caches = new LiveCaches(options);
  const cache = (service: string) => {
    const cacheId = randomUUID();
    const report = (changes: string[], isOpen = true): void =>
      caches.apply(message(DirectoryCacheReported, { cacheId, service, isOpen, changes }));
    report([]);
    return report;
  };
  return { caches, cache, late, tooMany, options };
}

/** Whether the promise has resolved by now. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe('the live caches of the directory', () => {
  it('report a change when the last of them has applied it, also before it is awaited', async () => {
    const { caches, cache, late } = open();
    const [swaig, rest] = [cache('swaig-adapter'), cache('rest-adapter')];
    const change = caches.expect('change-1');
    swaig(['change-0', 'change-1']);
    const reported = change.reported();
    expect(await isDone(reported)).toBe(false);
    rest(['change-2']);
    expect(await isDone(reported)).toBe(false);
    rest(['change-1']);
    await reported;
    expect(late).toEqual([]);
  });

  it('are not awaited when there is none', async () => {
    await open().caches.expect('change-1').reported();
  });

  it('include one that starts while the change is awaited, and not one that has stopped', async () => {
    const { caches, cache } = open();
    const [first, second] = [cache('swaig-adapter'), cache('swaig-adapter')];
    const reported = caches.expect('change-1').reported();
    const third = cache('rest-adapter');
    first(['change-1']);
    second([], false);
    expect(await isDone(reported)).toBe(false);
    third(['change-1']);
    await reported;
    expect(caches.size).toBe(2);
  });

  it('delay one change at most, and by the limit, when one of them does not report', async () => {
    const { caches, cache, late } = open();
    const [swaig, rest] = [cache('swaig-adapter'), cache('rest-adapter')];
    const first = caches.expect('change-1');
    rest(['change-1']);
    await first.reported();
    expect(late).toEqual([['swaig-adapter']]);
    const second = caches.expect('change-2');
    rest(['change-2']);
    await second.reported();
    expect(late).toHaveLength(1);
    swaig(['change-1', 'change-2']);
    const third = caches.expect('change-3').reported();
    rest(['change-3']);
    expect(await isDone(third)).toBe(false);
    swaig(['change-3']);
    await third;
  });

  it('are of the services with a cache only: a report of any other is invalid', () => {
    const violationsOf = (service: string): string[] =>
      validateSync(message(DirectoryCacheReported, { cacheId: randomUUID(), service, isOpen: true, changes: [] })).map(
        ({ property }) => property,
      );
    for (const service of DIRECTORY_CACHE_SERVICES) expect(violationsOf(service)).toEqual([]);
    expect(violationsOf('directory')).toEqual(['service']);
  });

  it('are at most so many of one service, and the one with the oldest report is no longer awaited', async () => {
    const { caches, cache, tooMany } = open();
    const rest = cache('rest-adapter');
    const [first, oldest] = [cache('swaig-adapter'), cache('swaig-adapter')];
    first([]);
    const reported = caches.expect('change-1').reported();
    const others = Array.from({ length: MAX_PER_SERVICE - 1 }, () => cache('swaig-adapter'));
    expect(caches.size).toBe(MAX_PER_SERVICE + 1);
    expect(tooMany).toEqual(['swaig-adapter']);
    for (const report of [rest, first, ...others]) report(['change-1']);
    await reported;
    oldest([]);
    expect(caches.size).toBe(MAX_PER_SERVICE + 1);
    expect(tooMany).toHaveLength(1);
  });

  it('delay each change by a short limit only, while those that were late never report a change', async () => {
    const { caches, cache, late, options } = open({ shortForMs: LONG_MS });
    for (let change = 0; change < 3; change++) {
      // A forged cache each time, for which no report arrives.
      cache('swaig-adapter');
      await caches.expect(`change-${change}`).reported();
      // From the second change on only the short limit can end the wait.
      options.limitMs = LONG_MS;
    }
    expect(late).toHaveLength(3);
  });

  it('are awaited for the whole limit again after a late one has reported the change', async () => {
    const { caches, cache, options } = open({ shortForMs: LONG_MS });
    const slow = cache('swaig-adapter');
    await caches.expect('change-1').reported();
    options.limitMs = 4 * LIMIT_MS;
    slow(['change-1']);
    const reported = caches.expect('change-2').reported();
    await new Promise((resolve) => setTimeout(resolve, 2 * LIMIT_MS));
    expect(await isDone(reported)).toBe(false);
    slow(['change-2']);
    await reported;
  });

  it('ignore reports of a change after its end', async () => {
    const { caches, cache } = open();
    const swaig = cache('swaig-adapter');
    caches.expect('change-1').end();
    swaig(['change-1']);
    const again = caches.expect('change-1').reported();
    expect(await isDone(again)).toBe(false);
    swaig(['change-1']);
    await again;
  });
});
