import { checkPolicy } from './policy-rules.js';
import { DEFAULT_POLICY } from '@countersign/contracts';

const MAX_TEXT_LENGTH = 1000;

const check = (raw: Record<string, unknown>): string[] => {
  const result = checkPolicy(DEFAULT_POLICY, raw);
  return 'violations' in result ? result.violations.map(({ field }) => field) : [];
};

describe('a policy', () => {
  it('is valid with the defaults alone', () => {
    expect(check({})).toEqual([]);
  });

  it('accepts a default country or null, which a later policy replaces', () => {
    for (const defaultCountry of ['US', 'GB', null]) expect(check({ defaultCountry })).toEqual([]);
    const countryOf = (...layers: Record<string, unknown>[]): unknown => {
      const checked = checkPolicy(DEFAULT_POLICY, ...layers);
      return 'policy' in checked ? checked.policy.defaultCountry : checked;
    };
    expect(countryOf()).toBeNull();
    expect(countryOf({ defaultCountry: 'US' }, {})).toBe('US');
    expect(countryOf({ defaultCountry: 'US' }, { defaultCountry: 'GB' })).toBe('GB');
    expect(countryOf({ defaultCountry: 'US' }, { defaultCountry: null })).toBeNull();
  });

  it.each([
    [{ attempts: { perWindow: 0 } }, 'policy.attempts.perWindow'],
    [{ attempts: { perWindow: 101 } }, 'policy.attempts.perWindow'],
    [{ attempts: { perWindow: '3' } }, 'policy.attempts.perWindow'],
    [{ attempts: 3 }, 'policy.attempts'],
    [{ limits: { caller: { limit: -1 } } }, 'policy.limits.caller.limit'],
    [{ functions: ['open_vault'] }, 'policy.functions'],
    [{ unknownField: 1 }, 'policy.unknownField'],
    [{ transfers: { support: 'https://example.com' } }, 'policy.transfers.support'],
    [{ transfers: { support: '5550100' } }, 'policy.transfers.support'],
    [{ escalation: 'support' }, 'policy.escalation'],
    [{ endVerificationOnChange: 'no' }, 'policy.endVerificationOnChange'],
    [{ trustsCallsOf: ['Desk One'] }, 'policy.trustsCallsOf'],
    [{ trustsCallsOf: ['desk', 'desk'] }, 'policy.trustsCallsOf'],
    [{ trustsCallsOf: 'desk' }, 'policy.trustsCallsOf'],
    [{ verifiedSeconds: 0 }, 'policy.verifiedSeconds'],
    [{ texts: { 'en-US': { verified: 'Your PIN is {pin}' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { 'en-US': { verified: '' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { 'en-US': { verified: 'Hello ${name}' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { 'en-US': { keypad_prompt: 'You keyed %{prompt_value}' } } }, 'policy.texts.en-US.keypad_prompt'],
    [{ texts: { 'en-US': { keypad_done: '{receipt}' } } }, 'policy.texts.en-US.keypad_done'],
    [{ texts: { 'en-US': { rejected: 'Not so, {name}' } } }, 'policy.texts.en-US.rejected'],
    [{ texts: { 'en-US': { locked: 'Call us {' } } }, 'policy.texts.en-US.locked'],
    [{ texts: { 'en-US': { bad_pin: '{{pin}}' } } }, 'policy.texts.en-US.bad_pin'],
    [{ texts: { 'en-US': { verifed: 'Hello' } } }, 'policy.texts.en-US'],
    [{ texts: { 'en-US': { constructor: 'Hello' } } }, 'policy'],
    [{ attempts: { constructor: 1 } }, 'policy'],
    [{ language: 'english please' }, 'policy.language'],
    ...['us', 'USA', 'XX', 'AQ', '', '1', 1, true, ['US']].map((defaultCountry): [Record<string, unknown>, string] => [
      { defaultCountry },
      'policy.defaultCountry',
    ]),
    [{ transfers: { ['x'.repeat(65)]: 'sip:a@example.com' } }, 'policy.transfers'],
    [{ transfers: { 'a {name}': 'sip:a@example.com' } }, 'policy.transfers'],
    [
      { knowledge: { questions: [{ name: 'X', description: 'x', kind: 'digits' }] } },
      'policy.knowledge.questions[0].name',
    ],
    [
      {
        knowledge: {
          questions: [
            { name: 'zip', description: 'x', kind: 'zip' },
            { name: 'zip', description: 'y', kind: 'digits' },
          ],
        },
      },
      'policy.knowledge.questions',
    ],
    ...['customer_id', 'pin', 'department', 'raw', 'parsed', 'argument', 'constructor', 'prototype'].map(
      (name): [Record<string, unknown>, string] => [
        { knowledge: { questions: [{ name, description: 'x', kind: 'text' }] } },
        'policy.knowledge.questions[0].name',
      ],
    ),
    [{ texts: { 'en-US': { verified: 'Hello \ud800' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { 'en-US': { verified: 'Hello \0' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { '\udc00': { verified: 'Hello' } } }, 'policy.texts'],
    [{ transfers: { 'support\ud800': 'sip:a@example.com' } }, 'policy.transfers'],
    [{ unlocksFunctions: ['get_\udfff'] }, 'policy.unlocksFunctions[0]'],
    [
      { knowledge: { questions: [{ name: 'pet', description: '\ud83d', kind: 'text' }] } },
      'policy.knowledge.questions[0].description',
    ],
    [
      { knowledge: { waiver: { owner: 'Ada \ud800', reason: 'x', expires: '2027-01-31' } } },
      'policy.knowledge.waiver.owner',
    ],
    [{ knowledge: { waiver: { owner: 'Ada', reason: 'x' } } }, 'policy.knowledge.waiver.expires'],
    [{ knowledge: { waiver: { owner: 'Ada', expires: '2027-01-31' } } }, 'policy.knowledge.waiver.reason'],
    [{ knowledge: { waiver: { owner: '', reason: 'x', expires: '2027-01-31' } } }, 'policy.knowledge.waiver.owner'],
    [
      { knowledge: { waiver: { owner: 'Ada', reason: 'x', expires: '2027-02-30' } } },
      'policy.knowledge.waiver.expires',
    ],
    [
      { knowledge: { waiver: { owner: 'Ada', reason: 'x', expires: '2027-01-31T12:00' } } },
      'policy.knowledge.waiver.expires',
    ],
    [{ knowledge: { waiver: true } }, 'policy.knowledge.waiver'],
  ])('%j is refused with the field %s', (raw, field) => {
    expect(check(raw)).toContain(field);
  });

  it.each([
    { transfers: { support: 'sip:support@example.com', billing: '+12025550100' }, escalation: 'billing' },
    { unlocksFunctions: ['get_balance'] },
    { knowledge: { waiver: { owner: 'Ada', reason: 'x', expires: '2027-01-31' } } },
    { knowledge: { waiver: null } },
    { texts: { 'en-US': { verified: 'Thank you, {name}.' } } },
    { texts: { es: { rate_limited: 'Espere {seconds} s: cuesta 5 $.', transfer_refused: '{departments}' } } },
    { language: 'es-MX', transfers: { 'Atención al cliente': 'sip:support@example.com' } },
  ])('%j is valid', (raw) => {
    expect(check(raw)).toEqual([]);
  });

  it.each(['constructor', 'prototype', '__proto__', 'toString', 'valueOf', 'hasOwnProperty'])(
    'refuses a department with the name %s, which every object inherits',
    (department) => {
      const transfers = JSON.parse(`{"${department}":"sip:a@example.com"}`) as Record<string, string>;
      expect(check({ transfers })).toEqual(['policy']);
    },
  );

  it('is refused when it has more than 16 KiB of JSON together with what it inherits', () => {
    const texts = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, index) => [`en-x${index}`, { verified: 'é'.repeat(MAX_TEXT_LENGTH) }]),
      );
    const [below, above] = [{ texts: texts(6) }, { texts: texts(9) }];
    expect(check(below)).toEqual([]);
    expect(check(above)).toEqual(['policy']);
    const questions = { texts: { es: { verified: 'é'.repeat(MAX_TEXT_LENGTH) } } };
    const inherited = checkPolicy(DEFAULT_POLICY, { texts: texts(7) }, questions);
    const rule = 'must have at most 16384 bytes of JSON, together with what it inherits';
    expect(inherited).toEqual({ violations: [{ field: 'policy', rule }] });
  });

  it('never quotes a value in a violation', () => {
    const result = checkPolicy(DEFAULT_POLICY, { transfers: { support: 'value-83729164' } });
    expect(JSON.stringify(result)).not.toContain('83729164');
  });
});
