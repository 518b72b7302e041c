import { type RefusingLimit } from '@countersign/contracts';
import { RefusalCache, type CacheableRequest } from './refusal-cache.js';

type Rule = 'old rule' | 'new rule';

const open = (): RefusalCache<Rule> =>
  new RefusalCache<Rule>({
    isSameBasis: (one, other) => one === other,
    commandRetentionMs: 60_000,
    maxAgeMs: 30_000,
    checkIntervalMs: 5_000,
  });

const requestOf = (names: readonly string[], more: { command?: string; subject?: string; rule?: Rule } = {}) => {
  const { command = 'command', subject = 'subject', rule = 'old rule' } = more;
  const request: CacheableRequest<Rule> = {
    command,
    candidates: names.map((name) => ({ name, basis: rule })),
    hasSubjectIn: (admitted) => admitted.has(subject),
    hasCommandIn: (admitted) => admitted.has(command),
  };
  return request;
};

const caller = (retryAfterMs: number, more: Partial<RefusingLimit> = {}): RefusingLimit => ({
  ...{ dimension: 'caller', retryAfterMs },
  ...more,
});

let cache: RefusalCache<Rule>;
const add = (name: string, limit: RefusingLimit, now = 0): void =>
  cache.add({ name, basis: 'old rule' }, limit, now, undefined);
beforeEach(() => {
  cache = open();
});

it('finds the refusal with the longest wait of all that cover a request', () => {
  for (const [name, wait] of [
    ['a', 1_000],
    ['b', 4_000],
    ['c', 2_000],
  ] as const)
    add(name, caller(wait));
  expect(cache.find(requestOf(['a', 'b', 'c']), 0)).toMatchObject({ name: 'b', refusesUntil: 4_000 });
  expect(cache.find(requestOf(['d']), 0)).toBeUndefined();
});

it('does not use a refusal after its wait, after its longest use, or for another rule', () => {
  add('short', caller(3_000));
  expect(cache.find(requestOf(['short']), 2_999)).toBeDefined();
  expect(cache.find(requestOf(['short']), 3_000)).toBeUndefined();
  add('short', caller(3_000));
  expect(cache.find(requestOf(['short'], { rule: 'new rule' }), 1)).toBeUndefined();
  expect(cache.size).toBe(0);
  add('long', caller(90_000));
  expect(cache.find(requestOf(['other', 'long']), 29_999)).toBeUndefined();
  expect(cache.find(requestOf(['long']), 30_000)).toBeUndefined();
  expect(cache.size).toBe(0);
});

it('leaves one request in each check interval to the limiter', () => {
  add('a', caller(20_000));
  const isLeft = (now: number): boolean => cache.find(requestOf(['a']), now) === undefined;
  expect([4_999, 5_000, 5_001, 9_999, 10_000].map(isLeft)).toEqual([false, true, false, false, true]);
});

it('leaves admitted commands and subjects to the limiter, and refuses a command again once it was refused', () => {
  add('a', caller(20_000, { admittedCommands: ['theirs'], admittedSubjects: ['friend'] }));
  cache.noteAdmitted('ours', 0);
  const isRefused = (more: Parameters<typeof requestOf>[1]): boolean =>
    cache.find(requestOf(['a'], more), 1) !== undefined;
  expect([{ command: 'theirs' }, { command: 'ours' }, { subject: 'friend' }, {}].map(isRefused)).toEqual([
    ...[false, false, false],
    true,
  ]);
  expect([{ command: 'theirs' }, { command: 'ours' }, {}].map((of) => cache.isRepeated(requestOf(['a'], of)))).toEqual([
    ...[true, true],
    false,
  ]);
  cache.noteRefused('ours');
  expect(isRefused({ command: 'ours' })).toBe(true);
});

it('removes what refuses a request, but not what only refuses other subjects of its caller', () => {
  add('a', caller(20_000));
  add('b', caller(20_000, { admittedSubjects: ['friend'] }));
  cache.remove(requestOf(['a', 'b'], { subject: 'friend' }));
  expect(cache.find(requestOf(['a']), 0)).toBeUndefined();
  expect(cache.find(requestOf(['b']), 0)).toBeDefined();
});

it.each([
  ['refund', () => cache.refunded(requestOf(['a']))],
  ['reset', () => cache.clear()],
])('does not cache a refusal that was decided before a %s', (_, removal) => {
  const { generation } = cache;
  removal();
  cache.add({ name: 'a', basis: 'old rule' }, caller(20_000), 0, undefined, generation);
  expect(cache.size).toBe(0);
  cache.add({ name: 'a', basis: 'old rule' }, caller(20_000), 0, undefined, cache.generation);
  expect(cache.size).toBe(1);
});

it('holds at most 50,000 refusals and removes the oldest one first', () => {
  for (let n = 0; n <= 50_000; n++) add(`${n}`, caller(20_000));
  expect(cache.size).toBe(50_000);
  expect(['0', '1', '50000'].map((name) => cache.find(requestOf([name]), 0) !== undefined)).toEqual([
    false,
    true,
    true,
  ]);
});
