import fc from 'fast-check';
import { EXAMPLE_NUMBERS, NO_NUMBERS, spelledNumbers } from '@countersign/testing';
import { toE164 } from './phone-number.js';

describe('the E.164 form of a telephone number', () => {
  it('is the same for every legal spelling of a number, in every region', () => {
    expect(EXAMPLE_NUMBERS.length).toBeGreaterThan(200);
    for (const { e164 } of EXAMPLE_NUMBERS) expect(toE164(e164)).toBe(e164);
    fc.assert(
      fc.property(spelledNumbers, ({ number, spellings }) => {
        expect(spellings.map(toE164)).toEqual(spellings.map(() => number));
      }),
      { numRuns: 2000 },
    );
  });

  it('omits a trunk prefix and keeps a zero that belongs to the number', () => {
    expect(toE164('+44 (0)20 7946 0958')).toBe('+442079460958');
    expect(toE164('+49 (0) 1512 3456789')).toBe('+4915123456789');
    expect(toE164('+39 06 1234 5678')).toBe('+390612345678');
  });

  it('normalizes to itself, so a lookup finds what another service stored', () => {
    const prefixed = fc
      .tuple(fc.constantFrom(...EXAMPLE_NUMBERS), fc.stringMatching(/^0{0,3}[0-9]{4,12}$/))
      .map(([{ callingCode }, rest]) => `+${callingCode}${rest}`);
    fc.assert(
      fc.property(prefixed, (text) => {
        const number = toE164(text);
        if (number !== undefined) expect(toE164(number)).toBe(number);
      }),
      { numRuns: 5000 },
    );
  });

  it.each(NO_NUMBERS.map((text) => [text]))('does not exist for %j', (text) => {
    expect(toE164(text)).toBeUndefined();
  });

  it('does not exist for a text without a plus', () => {
    const plusless = fc
      .oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[0-9 ().-]{0,24}$/))
      .filter((text) => !text.normalize('NFKC').includes('+'));
    fc.assert(fc.property(plusless, (text) => toE164(text) === undefined));
  });
});
