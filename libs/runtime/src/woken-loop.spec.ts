import { jest } from '@jest/globals';
import { WokenLoop } from './woken-loop.js';

const [LINGER_MS, POLL_MS] = [100, 1_000];
let runs: number;
let succeeds: boolean;
let loop: WokenLoop;

beforeEach(() => {
  jest.useFakeTimers();
  runs = 0;
  succeeds = true;
  const work = (): Promise<boolean> => {
    runs++;
    return Promise.resolve(succeeds);
  };
  loop = new WokenLoop({ work, lingerMs: LINGER_MS, pollMs: POLL_MS });
  loop.start();
});
afterEach(async () => {
  await loop.close();
  jest.useRealTimers();
});

describe('a loop that is woken', () => {
  it('runs at its start, and without a wake at each poll', async () => {
    await jest.advanceTimersByTimeAsync(0);
    expect(runs).toBe(1);
    await jest.advanceTimersByTimeAsync(2 * POLL_MS);
    expect(runs).toBe(3);
  });

  it('runs once for many wakes, after the linger time', async () => {
    await jest.advanceTimersByTimeAsync(0);
    for (let wake = 0; wake < 50; wake++) loop.wake();
    await jest.advanceTimersByTimeAsync(LINGER_MS - 1);
    loop.wake();
    expect(runs).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(runs).toBe(2);
  });

  it('runs at once when it is hurried, also during the linger time', async () => {
    await jest.advanceTimersByTimeAsync(0);
    loop.wake();
    await jest.advanceTimersByTimeAsync(1);
    loop.hurry();
    await jest.advanceTimersByTimeAsync(0);
    expect(runs).toBe(2);
  });

  it('retries after a failure with growing pauses, and runs once more when it closes', async () => {
    succeeds = false;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(runs).toBeGreaterThan(10);
    expect(runs).toBeLessThan(40);
    const before = runs;
    await loop.close();
    expect(runs).toBe(before + 1);
  });
});
