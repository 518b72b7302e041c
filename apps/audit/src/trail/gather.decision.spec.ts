import { appendWaitMs, sealWaitMs } from './gather.decision.js';

const TIME = '2026-11-28T00:00:00.000Z';
const at = (age: number): number => Date.parse(TIME) + age;

test.each([
  ['that is new waits as long as any does', 0, 200, 200],
  ['that waited in an outbox waits the rest', 150, 100, 70],
  ['that is late waits only for those of its burst', 60_000, 20, 5],
  ['of a clock that is ahead waits no longer than others', -60_000, 200, 200],
])('a fact %s', (_, age, seal, append) => {
  expect([sealWaitMs(TIME, at(age)), appendWaitMs(TIME, at(age))]).toEqual([seal, append]);
});

test('a fact that has waited to be encrypted waits at most 20 ms more', () => {
  for (let age = 0; age < 1_000; age += 10)
    expect(appendWaitMs(TIME, at(age + sealWaitMs(TIME, at(age))))).toBeLessThanOrEqual(20);
});

test.each(['20261128T000000Z', '2026-W48-6'])(
  'a fact of the time %s, which JavaScript does not read, waits the least',
  (time) => {
    expect([sealWaitMs(time, at(0)), appendWaitMs(time, at(0))]).toEqual([20, 5]);
  },
);
