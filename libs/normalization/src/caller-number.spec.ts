import fc from 'fast-check';
import { EXAMPLE_NUMBERS, spelledNumbers } from '@countersign/testing';
import { isPhoneCountry, readCaller } from './caller-number.js';

const E164 = '+12025550123';

describe('the number of a caller', () => {
  it.each([
    E164,
    'tel:+1-202-555-0123',
    '+12025550123;verstat=TN-Validation-Passed',
    'tel:+12025550123;verstat=No-TN-Validation;cpc=ordinary',
    'sip:+12025550123@gw.example.com;user=phone',
    'SIPS:+12025550123@gw.example.com:5061;transport=tls;user=phone',
    'sip:+12025550123@gw.example.com',
    'sip:+12025550123;verstat=TN-Validation-Passed-A@gw.example.com;user=phone',
    'sip:%2B12025550123@gw.example.com;user=phone?Subject=x',
    'sip:2025550123;phone-context=+1@gw.example.com;user=phone',
    'tel:2025550123;phone-context=+1',
    'tel:5550123;phone-context=+1202',
    '"Dana" <sip:+12025550143@trunk.example.com>'.replace('143', '123'),
    '"A <b> \\" c" <sip:+12025550123@gw.example.com;user=phone>;tag=as58',
    'Dana Example <tel:+12025550123>',
    '<tel:+12025550123>;verstat=TN-Validation-Failed',
    '\u202a+1 (202) 555-0123\u202c',
  ])('is read from %s', (text) => expect(readCaller(text, null).e164).toBe(E164));

  it('is the same for every kind of address and every spelling', () => {
    const forms = fc.constantFrom(
      (number: string) => number,
      (number: string) => `tel:${number};verstat=TN-Validation-Passed`,
      (number: string) => `<tel:${number}>;tag=1`,
      (number: string) => `"Pat" <sip:${number}@a.example;user=phone>`,
      (number: string) => `sips:${number}@a.example:5061`,
    );
    fc.assert(
      fc.property(fc.constantFrom(...EXAMPLE_NUMBERS), forms, ({ e164 }, form) => {
        expect(readCaller(form(e164), null).e164).toBe(e164);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(spelledNumbers, ({ number, spellings }) => {
        for (const spelling of spellings) expect(readCaller(spelling, null).e164).toBe(number);
      }),
    );
  });

  it.each([
    ...['', 'anonymous', 'Restricted', '2025550123', '12025550123', 'sip:+12025550123', 'tel:tel:+12025550123'],
    ...['+12025550123@example.com', 'sip:a@b@example.com', 'sip:anonymous@anonymous.invalid', 'sip:+1@example.com'],
    ...[
      'sip:12025550123@example.com;user=phone',
      'sip:1001@pbx.example.com;user=phone',
      'mailto:+12025550123@a.example',
    ],
    ...['tel:+12025550123;ext=5', 'tel:+12025550123;isub=5', 'sip:+12025550123;EXT=5@a.example;user=phone'],
    ...['tel:2025550123;phone-context=example.com', 'tel:2025550123;phone-context=+1;phone-context=+44'],
    ...['<tel:+12025550123>, <tel:+12025550124>', '<tel:+12025550123><tel:+12025550124>', '<tel:+12025550123'],
    ...[
      'sip:guest-1@46e10b6d.call.example.com;context=guest',
      `sip:+12025550123@${'x'.repeat(2000)}`,
      'sip:%zz@a.example',
    ],
  ])('is not read from %j', (text) => expect(readCaller(text, null).e164).toBeUndefined());

  it.each([
    ['2025550123', 'US', E164],
    ['12025550123', 'US', E164],
    ['(202) 555-0123', 'US', E164],
    ['tel:2025550123', 'US', E164],
    ['sip:2025550123@gw.example.com;user=phone', 'US', E164],
    ['01144 20 7946 0958', 'US', '+442079460958'],
    ['020 7946 0958', 'GB', '+442079460958'],
    ['442079460958', 'GB', '+442079460958'],
    ['00442079460958', 'DE', '+442079460958'],
    ['030 123456', 'DE', '+4930123456'],
    ['+442079460958', 'US', '+442079460958'],
    ['\u0662\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0662\u0663', 'US', E164],
  ])('without a plus is read as a number of the default country: %s in %s', (text, country, e164) => {
    expect(readCaller(text, country).e164).toBe(e164);
    if (!text.includes('+')) expect(readCaller(text, null).e164).toBeUndefined();
  });

  it.each([
    ['442079460958', 'US'],
    ['911', 'US'],
    ['1001', 'US'],
    ['2025550123x5', 'US'],
    ['2025550123;ext=5', 'US'],
    ['sip:2025550123@gw.example.com', 'US'],
    ['2025550123', 'XX'],
    ['anonymous', 'US'],
  ])('without a plus is not read as a number of another country: %s in %s', (text, country) => {
    expect(readCaller(text, country).e164).toBeUndefined();
  });

  it('is undefined when a number without a plus has two different readings in the country', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...EXAMPLE_NUMBERS),
        fc.constantFrom('US', 'GB', 'DE', 'FR', 'ES', 'IT'),
        (one, country) => {
          const found = readCaller(one.e164.slice(1), country).e164;
          if (found !== undefined && found !== one.e164) expect(one.callingCode).not.toBe(callingCodes[country]);
        },
      ),
      { numRuns: 2000 },
    );
  });

  const callingCodes: Readonly<Record<string, string>> = { US: '1', GB: '44', DE: '49', FR: '33', ES: '34', IT: '39' };

  it.each([
    ['+12025550123;verstat=TN-Validation-Passed', 'TN-Validation-Passed'],
    ['sip:+12025550123;VERSTAT=tn-validation-passed-a@a.example;user=phone', 'TN-Validation-Passed-A'],
    ['sip:+12025550123@a.example;user=phone;verstat=TN-Validation-Failed-C', 'TN-Validation-Failed-C'],
    ['<sip:+12025550123@a.example>;verstat=No-TN-Validation', 'No-TN-Validation'],
    ['tel:+12025550123;verstat=TN-Validation-Passed-B-Diverted', 'TN-Validation-Passed-B-Diverted'],
    ['sip:guest@a.example;verstat=No-TN-Validation', 'No-TN-Validation'],
    ['+12025550123', undefined],
    ['+12025550123;verstat=Trust-Me', undefined],
    ['+12025550123;verstat=TN-Validation-Passed;verstat=TN-Validation-Failed', undefined],
  ])('is read together with its attestation: %s', (text, attestation) => {
    expect(readCaller(text, null).attestation).toBe(attestation);
  });

  it('needs a default country that has telephone numbers', () => {
    expect(['US', 'GB', 'AX', 'us', 'AQ', 'XX', '', 'constructor'].map(isPhoneCountry)).toEqual([
      ...[true, true, true],
      ...[false, false, false, false, false],
    ]);
  });
});
