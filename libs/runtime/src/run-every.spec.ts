import { jest } from '@jest/globals';
import { runEvery } from './run-every.js';

const INTERVAL_MS = 1_000;
let errors: unknown[];
let stop: () => Promise<void>;
const start = (work: () => Promise<unknown>): void => {
  stop = runEvery(INTERVAL_MS, work, (error) => errors.push(error));
};

beforeEach(() => {
  jest.useFakeTimers();
  errors = [];
});
afterEach(async () => {
  await stop();
  jest.useRealTimers();
});

describe('work that runs at an interval', () => {
  it('runs once per interval until it is stopped', async () => {
    let runs = 0;
    start(() => Promise.resolve(runs++));
    await jest.advanceTimersByTimeAsync(3 * INTERVAL_MS);
    expect(runs).toBe(3);
    await stop();
    await jest.advanceTimersByTimeAsync(3 * INTERVAL_MS);
    expect(runs).toBe(3);
  });

  it('reports a failure and runs again at the next interval', async () => {
    let runs = 0;
    start(() => (runs++ === 0 ? Promise.reject(new Error('the database is down')) : Promise.resolve()));
    await jest.advanceTimersByTimeAsync(2 * INTERVAL_MS);
    expect([runs, errors]).toEqual([2, [new Error('the database is down')]]);
  });

  it('never runs twice at once, and is stopped only after the run in progress has ended', async () => {
    let runs = 0;
    let isStopped = false;
    let endRun = (): void => undefined;
    start(() => {
      runs++;
      return new Promise<void>((resolve) => (endRun = resolve));
    });
    await jest.advanceTimersByTimeAsync(5 * INTERVAL_MS);
    expect(runs).toBe(1);
    const stopped = stop().then(() => (isStopped = true));
    await jest.advanceTimersByTimeAsync(0);
    expect(isStopped).toBe(false);
    endRun();
    await stopped;
    expect(isStopped).toBe(true);
  });
});
