import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { policyRules } from './policy-rules.js';

const nested = (levels: number): unknown => (levels === 0 ? 1 : { inner: nested(levels - 1) });

describe('policyRules', () => {
  it('accepts the policy of the product page', () => {
    const policy = {
      attempts: { perWindow: 3 },
      limits: { caller: { limit: 10, periodSeconds: 60 } },
      knowledge: { questions: [{ name: 'zip_code', kind: 'digits', length: 5 }] },
      texts: { 'en-US': { verified: 'Thank you, {name}.\nHow can I help you today?' } },
    };
    expect(policyRules(policy)).toEqual([]);
  });

  it('refuses a value that is not an object, with the name of the field', () => {
    for (const value of [undefined, null, [], 'x', 1, true]) {
      expect(policyRules(value, 'the.field')).toEqual([{ field: 'the.field', rule: 'must be a JSON object' }]);
    }
  });

  it('refuses the ninth level of nesting and accepts the eighth', () => {
    expect(policyRules(nested(8))).toEqual([]);
    expect(policyRules(nested(9))).toHaveLength(1);
    expect(policyRules({ list: [[[[[[[[]]]]]]]] })).toHaveLength(1);
  });

  it('finds a NUL and half of a surrogate pair wherever they are', () => {
    const path = fc.array(fc.constantFrom('a', 'b'), { maxLength: 5 });
    fc.assert(
      fc.property(path, fc.constantFrom('\0', '\ud800', '\udc00'), fc.boolean(), (keys, character, inKey) => {
        const end: unknown = inKey ? { [`x${character}`]: 1 } : { x: [`y${character}`] };
        expect(policyRules(keys.reduce((inner, key) => ({ other: 1, [key]: inner }), end))).toHaveLength(1);
      }),
    );
  });
});
