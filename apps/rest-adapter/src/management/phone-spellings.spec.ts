import { NO_NUMBERS, spelledNumbers } from '@countersign/testing';
import fc from 'fast-check';
import { PHONE_RULE, SubjectBody, VerificationBody } from './bodies.js';
import { OverrideBody, ResetBody } from './limit-bodies.js';
import { type Problem } from '../http/problems.js';
import { readBody, type Body } from '../http/read-body.js';

const verification = (phone: string) => ({ method: 'pin', pin: '48213', phone });
const reset = (phone: string) => ({ dimension: 'caller', phone, reason: 'asked to' });
const override = (phone: string) => ({
  ...reset(phone),
  limit: 1,
  periodSeconds: 1,
  expiresAt: '2027-01-31T12:00:00Z',
});

function violations<T extends Body>(type: new () => T, raw: unknown): unknown {
  try {
    readBody(type, raw);
    return [];
  } catch (error) {
    return (error as Problem).violations;
  }
}

describe('a telephone number in a request', () => {
  it('is the same whatever its spelling, wherever it is enrolled, verified or limited', () => {
    fc.assert(
      fc.property(spelledNumbers, ({ number, spellings }) => {
        expect(readBody(SubjectBody, { phones: [...spellings, number] }).changes()['phones']).toEqual([number]);
        for (const spelling of spellings) {
          expect(readBody(VerificationBody, verification(spelling)).e164Phone()).toBe(number);
          expect(readBody(ResetBody, reset(spelling)).e164()).toBe(number);
          expect(readBody(OverrideBody, override(spelling)).e164()).toBe(number);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each(NO_NUMBERS.map((text) => [text]))(
    'that is %j is refused with field and rule, and without the value',
    (text) => {
      const refused = (field: string) => [{ field, rule: PHONE_RULE }];
      expect(violations(SubjectBody, { phones: ['+12025550123', text] })).toEqual(refused('phones[1]'));
      expect(violations(VerificationBody, verification(text))).toEqual(refused('phone'));
      expect(violations(ResetBody, reset(text))).toEqual(refused('phone'));
      expect(violations(OverrideBody, override(text))).toEqual(refused('phone'));
    },
  );
});
