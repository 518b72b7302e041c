import { describe, expect, it } from '@jest/globals';
import { BrokerClock } from './broker-clock.js';

const DAY_MS = 86_400_000;

describe('BrokerClock', () => {
  it('returns the local time until a broker has stamped a record', () => {
    expect(new BrokerClock(() => 1234).now()).toBe(1234);
  });

  it.each([-DAY_MS, DAY_MS])("returns the brokers' time when the local clock is %d ms off", (off) => {
    const clock = new BrokerClock(() => Date.now() + off);
    const stop = clock.measure();
    stop(Date.now());
    expect(clock.isSynchronized).toBe(true);
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
  });

  it('keeps the more precise of two samples', async () => {
    const clock = new BrokerClock();
    const slow = clock.measure();
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.measure()(5_000_000);
    slow(9_000_000);
    expect(clock.now()).toBeLessThan(5_100_000);
  });
});
