import { expect, it } from '@jest/globals';
import { OperatorActivity } from './operator-activity.js';

it('marks every request as one in the background, except the first within a minute after an action of the operator', () => {
  const page = new EventTarget();
  let now = 0;
  const activity = new OperatorActivity(page, () => now);
  const isUse = (): boolean => activity.headers()['x-background-request'] === undefined;
  expect([isUse(), isUse()]).toEqual([false, false]);
  for (const action of ['pointerdown', 'keydown', 'wheel', 'click', 'input']) {
    page.dispatchEvent(new Event(action));
    page.dispatchEvent(new Event(action));
    expect([action, isUse(), isUse()]).toEqual([action, true, false]);
  }
  page.dispatchEvent(new Event('visibilitychange'));
  expect(isUse()).toBe(false);
  for (const [laterMs, counts] of [
    [60_000, true],
    [60_001, false],
  ] as const) {
    page.dispatchEvent(new Event('keydown'));
    now += laterMs;
    expect([laterMs, isUse()]).toEqual([laterMs, counts]);
  }
});
