import { describe, expect, it } from '@jest/globals';
import * as contracts from '@countersign/contracts';
import { Message, type MessageClass } from '@countersign/contracts';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { hasNested, passesQuickCheck } from './quick-check.js';

const isMessage = (one: unknown): one is MessageClass =>
  typeof one === 'function' && one.prototype instanceof Message && typeof (one as { type?: unknown }).type === 'string';
const CLASSES = Object.values<unknown>(contracts).filter(isMessage);

/** Whatever a field may hold, and what it may not. */
const VALUES: readonly unknown[] = [
  ...[
    '',
    'a',
    'acme',
    'bench-agent',
    'id',
    '42',
    '1234567',
    'swaig',
    'rest',
    'phone',
    'pin',
    'limits',
    'x'.repeat(300),
  ],
  ...['a'.repeat(64), '0190b7a0-0000-7000-8000-000000000000', '2026-01-01T00:00:00.000Z', '+12025550100', 'en-US'],
  ...['verified', 'none', 'attempt.decided', 'ok', 'caller', 'agent', 'mismatch', 'x'.repeat(20_000)],
  ...[0, 1, 2, 60, -1, 1.5, NaN, 1e9, true, false, null, undefined],
  ...[[], ['a'], ['+12025550100'], [1], [null], [{}], {}, { a: 1 }, { name: 'agent' }],
];

const isValid = (type: MessageClass, fields: object): boolean =>
  validateSync(Object.assign(new type(), fields), { stopAtFirstError: true }).length === 0;

/** Names of the fields with rules, which class-validator tells of a message that holds only nonsense. */
function fieldsOf(type: MessageClass): string[] {
  const nonsense = VALUES.slice(-12).map(
    (value) => new Proxy(new type(), { get: (of, name): unknown => (name in of ? Reflect.get(of, name) : value) }),
  );
  return [...new Set(nonsense.flatMap((one) => validateSync(one).map(({ property }) => property)))];
}

/** Values that leave no rule of a class broken, where there are such among {@link VALUES}. */
function soundFields(type: MessageClass): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of fieldsOf(type)) {
    fields[name] = VALUES.find((value) => {
      const message = Object.assign(new type(), { [name]: value });
      return value !== undefined && !validateSync(message).some(({ property }) => property === name);
    });
  }
  return fields;
}

describe('the quick look at a message', () => {
  it.each(CLASSES.map((type) => [type.type, type] as const))('says of %s what class-validator says', (_name, type) => {
    const sound = soundFields(type);
    const names = Object.keys(sound);
    const wrong = fc.array(fc.tuple(fc.constantFrom(...names, 'another'), fc.constantFrom(...VALUES)), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(wrong, fc.boolean(), (changes, whole) => {
        const fields = { ...(whole ? sound : {}), ...Object.fromEntries(changes) };
        const message = Object.assign(new type(), fields);
        // Objects in objects are left to class-validator.
        expect(passesQuickCheck(type, message)).toBe(isValid(type, fields) && !hasNested(type, message));
      }),
    );
  });

  it('suffices for a guess on its way to the comparison', () => {
    const fields = soundFields(contracts.VerificationAdmitted);
    delete fields['quotas'];
    expect(
      passesQuickCheck(contracts.VerificationAdmitted, Object.assign(new contracts.VerificationAdmitted(), fields)),
    ).toBe(true);
  });
});
