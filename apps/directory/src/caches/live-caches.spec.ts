import { randomUUID } from 'node:crypto';
import { DirectoryCacheReported, message } from '@countersign/contracts';
import { LiveCaches } from './live-caches.js';

const LIMIT_MS = 30;

function open() {
  const late: (readonly string[])[] = [];
  const caches = new LiveCaches({ limitMs: LIMIT_MS, onLate: (services) => late.push(services) });
  const cache = (service: string) => {
    const cacheId = randomUUID();
    const report = (changes: string[], isOpen = true): void =>
      caches.apply(message(DirectoryCacheReported, { cacheId, service, isOpen, changes }));
    report([]);
    return report;
  };
  return { caches, cache, late };
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
