import { describe, expect, it } from '@jest/globals';
import { BrokerClock } from './broker-clock.js';

const DAY_MS = 86_400_000;

describe('the clock of the brokers', () => {
  it('is the own clock until a broker has told its time', () => {
    expect(new BrokerClock(() => 1234).now()).toBe(1234);
  });

  it.each([-DAY_MS, DAY_MS])('is right in a process whose own clock is %d ms off', (off) => {
    const clock = new BrokerClock(() => Date.now() + off);
    const told = clock.measure();
    told(Date.now());
    expect(clock.known).toBe(true);
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
  });

  it('keeps the more exact of two samples', async () => {
    const clock = new BrokerClock();
    const slow = clock.measure();
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.measure()(5_000_000);
    slow(9_000_000);
    expect(clock.now()).toBeLessThan(5_100_000);
  });
});
