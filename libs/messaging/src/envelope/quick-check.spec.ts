import { describe, expect, it } from '@jest/globals';
import * as contracts from '@countersign/contracts';
import { Message, type MessageClass } from '@countersign/contracts';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { hasNested, passesQuickCheck } from './quick-check.js';

const isMessage = (one: unknown): one is MessageClass =>
  typeof one === 'function' && one.prototype instanceof Message && typeof (one as { type?: unknown }).type === 'string';
const CLASSES = Object.values<unknown>(contracts).filter(isMessage);

/** Values that fields may hold, and values that they may not. */
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

/** Names of the fields with rules: class-validator reports them for messages with only invalid values. */
function fieldsOf(type: MessageClass): string[] {
  const invalid = VALUES.slice(-12).map(
    (value) => new Proxy(new type(), { get: (of, name): unknown => (name in of ? Reflect.get(of, name) : value) }),
  );
  return [...new Set(invalid.flatMap((message) => validateSync(message).map(({ property }) => property)))];
}

/** Values from {@link VALUES} that break no rule of a class, where there are some. */
function validFields(type: MessageClass): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of fieldsOf(type)) {
    fields[name] = VALUES.find((value) => {
      const message = Object.assign(new type(), { [name]: value });
      return value !== undefined && !validateSync(message).some(({ property }) => property === name);
    });
  }
  return fields;
}

describe('passesQuickCheck', () => {
  it.each(CLASSES.map((type) => [type.type, type] as const))('agrees with class-validator for %s', (_name, type) => {
    const valid = validFields(type);
    const names = Object.keys(valid);
    const changes = fc.array(fc.tuple(fc.constantFrom(...names, 'another'), fc.constantFrom(...VALUES)), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(changes, fc.boolean(), (changed, isWhole) => {
        const fields = { ...(isWhole ? valid : {}), ...Object.fromEntries(changed) };
        const message = Object.assign(new type(), fields);
        // Nested objects are checked by class-validator.
        expect(passesQuickCheck(type, message)).toBe(isValid(type, fields) && !hasNested(type, message));
      }),
    );
  });

  it('accepts an admitted verification without calling class-validator', () => {
    const fields = validFields(contracts.VerificationAdmitted);
    delete fields['quotas'];
    expect(
      passesQuickCheck(contracts.VerificationAdmitted, Object.assign(new contracts.VerificationAdmitted(), fields)),
    ).toBe(true);
  });
});
