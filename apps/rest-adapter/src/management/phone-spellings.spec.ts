import { PHONE_RULE, type Problem, RequestPipe } from '@countersign/api';
import { NO_NUMBERS, spelledNumbers } from '@countersign/testing';
import fc from 'fast-check';
import { VerificationBody } from '../verifications/verifications.dto.js';
import { ResetBody } from './limits/limits.dto.js';
import { OverrideBody } from './limits/overrides.dto.js';
import { SubjectBody } from './subjects/subjects.dto.js';

const verification = (phone: string) => ({ method: 'pin', pin: '48213', phone });
const reset = (phone: string) => ({ dimension: 'caller', phone, reason: 'requested' });
const override = (phone: string) => ({
  ...reset(phone),
  limit: 1,
  periodSeconds: 1,
  expiresAt: '2027-01-31T12:00:00Z',
});

const pipe = new RequestPipe();
const parse = async <T extends object>(type: new () => T, raw: unknown): Promise<T> =>
  (await pipe.transform(raw, { type: 'body', metatype: type })) as T;
const violations = (type: new () => object, raw: unknown): Promise<unknown> =>
  parse(type, raw).then(
    () => [],
    (error: Problem) => error.violations,
  );

describe('a telephone number in a request', () => {
  it('is stored in E.164 however it is spelled, wherever it is enrolled, verified or limited', async () => {
    await fc.assert(
      fc.asyncProperty(spelledNumbers, async ({ number, spellings }) => {
        expect((await parse(SubjectBody, { phones: [...spellings, number] })).changes()['phones']).toEqual([number]);
        for (const spelling of spellings) {
          expect((await parse(VerificationBody, verification(spelling))).e164Phone()).toBe(number);
          expect((await parse(ResetBody, reset(spelling))).e164()).toBe(number);
          expect((await parse(OverrideBody, override(spelling))).e164()).toBe(number);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each(NO_NUMBERS.map((text) => [text]))(
    'that is not possible, %j, is refused with the field and the rule, and without the value',
    async (text) => {
      const refused = (field: string) => [{ field, rule: PHONE_RULE }];
      expect(await violations(SubjectBody, { phones: ['+12025550123', text] })).toEqual(refused('phones[1]'));
      expect(await violations(VerificationBody, verification(text))).toEqual(refused('phone'));
      expect(await violations(ResetBody, reset(text))).toEqual(refused('phone'));
      expect(await violations(OverrideBody, override(text))).toEqual(refused('phone'));
    },
  );
});
