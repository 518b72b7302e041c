import { expect, it } from '@jest/globals';
import { OperatorActivity } from './operator-activity.js';

it('marks every request as one in the background, except the first after an action of the operator', () => {
  const page = new EventTarget();
  const activity = new OperatorActivity(page);
  const isUse = (): boolean => activity.headers()['x-background-request'] === undefined;
  expect([isUse(), isUse(), isUse()]).toEqual([true, false, false]);
  for (const action of ['pointerdown', 'keydown', 'wheel']) {
    page.dispatchEvent(new Event(action));
    page.dispatchEvent(new Event(action));
    expect([action, isUse(), isUse()]).toEqual([action, true, false]);
  }
  page.dispatchEvent(new Event('visibilitychange'));
  expect(isUse()).toBe(false);
});
