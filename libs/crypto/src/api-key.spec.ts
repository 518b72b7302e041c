import fc from 'fast-check';
import { createApiKey, isMistypedApiKey } from './api-key.js';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('an API key', () => {
  it('has a prefix and 49 letters and digits, and is new each time', () => {
    const keys = Array.from({ length: 1000 }, createApiKey);
    for (const key of keys) expect(key).toMatch(/^csk_[0-9A-Za-z]{49}$/);
    expect(new Set(keys).size).toBe(1000);
    // Each of the 62 digits at each random place: a place that is never random would be seen.
    for (let place = 4; place < 47; place++) expect(new Set(keys.map((key) => key[place])).size).toBe(62);
  });

  it('keeps its form: the checksum of a known key', () => {
    expect(isMistypedApiKey(`csk_${'0'.repeat(43)}2Anc97`)).toBe(false);
  });

  it('is recognized as mistyped with one other character, with two exchanged, or with another length', () => {
    const key = createApiKey();
    expect(isMistypedApiKey(key)).toBe(false);
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 52 }), fc.constantFrom(...DIGITS), (place, digit) => {
        const typed = key.slice(0, place) + digit + key.slice(place + 1);
        expect(isMistypedApiKey(typed)).toBe(typed !== key);
        const [a = '', b = ''] = [key[place - 1], key[place]];
        const exchanged = key.slice(0, place - 1) + b + a + key.slice(place + 1);
        expect(isMistypedApiKey(exchanged)).toBe(exchanged !== key && exchanged.startsWith('csk_'));
      }),
    );
    for (const typed of [key.slice(0, -1), `${key}0`, 'csk_']) expect(isMistypedApiKey(typed)).toBe(true);
  });

  it('is not meant by a text with another prefix', () => {
    for (const text of ['', 'csadmin_0123456789', 'cs_key', createApiKey().slice(1)]) {
      expect(isMistypedApiKey(text)).toBe(false);
    }
  });
});
