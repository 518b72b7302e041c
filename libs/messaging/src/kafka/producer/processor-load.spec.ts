import { readFileSync } from 'node:fs';
import { ProcessorLoad, timesOf, type ProcessorTimes } from './processor-load.js';

function open() {
  const machine = { idle: 1_000, all: 5_000, now: 0 };
  const load = new ProcessorLoad(
    (): ProcessorTimes => ({ idle: machine.idle, all: machine.all }),
    () => machine.now,
  );
  /** @param idle of 100 units of time */
  const pass = (ms: number, idle: number): void => {
    machine.now += ms;
    machine.all += 100;
    machine.idle += idle;
  };
  return { load, pass };
}

describe('the load of the processors', () => {
  it('is busy only after a time in which they worked for at least 80 % of it', () => {
    const { load, pass } = open();
    expect(load.isBusy()).toBe(false);
    for (const [idle, isBusy] of [
      [20, true],
      [21, false],
      [0, true],
      [100, false],
    ] as const) {
      pass(250, idle);
      expect(load.isBusy()).toBe(isBusy);
    }
  });

  it('looks at most every 250 ms, and keeps the answer until then', () => {
    const { load, pass } = open();
    pass(249, 0);
    expect(load.isBusy()).toBe(false);
    pass(1, 0);
    expect(load.isBusy()).toBe(true);
    pass(249, 100);
    expect(load.isBusy()).toBe(true);
  });

  it('is not busy where the system counts nothing', () => {
    let now = 0;
    const load = new ProcessorLoad(
      () => ({ idle: 0, all: 0 }),
      () => now,
    );
    now = 1_000;
    expect(load.isBusy()).toBe(false);
  });

  it('reads the line of all processors, where waiting for a disk counts as idle', () => {
    const line = 'cpu  10 20 30 400 50 6 7 8 900 1000\ncpu0 1 1 1 1 1 1 1 1 1 1\n';
    expect(timesOf(line)).toEqual({ idle: 450, all: 531 });
    expect(() => timesOf('intr 1 2 3')).toThrow('not /proc/stat');
    if (process.platform === 'linux') expect(timesOf(readFileSync('/proc/stat', 'latin1')).all).toBeGreaterThan(0);
  });
});
