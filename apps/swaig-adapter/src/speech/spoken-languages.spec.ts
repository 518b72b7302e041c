import fc from 'fast-check';
import { readDigits, readPin } from './spoken-digits.js';

/** How a language says numbers, implemented independently of the tables under test. */
interface SpokenLanguage {
  readonly zeros: readonly string[];
  /** 1 to 99. */
  readonly say: (value: number) => string;
  readonly double: readonly string[];
  readonly triple: readonly string[];
  /** Whether two numbers with only a space between them are always heard as two. */
  readonly areSeparate: (before: number, after: number) => boolean;
}

const isRound = (value: number): boolean => value >= 10 && value % 10 === 0;
const isUnit = (value: number): boolean => value >= 1 && value <= 9;

const english =
  'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const englishTens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const spanish =
  'uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve'.split(
    ' ',
  );
const spanishTens = 'treinta cuarenta cincuenta sesenta setenta ochenta noventa'.split(' ');
const french =
  'un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf'.split(
    ' ',
  );
const frenchTens = 'vingt trente quarante cinquante soixante'.split(' ');
const german =
  'eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn'.split(
    ' ',
  );
const germanTens = 'zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig'.split(' ');

function sayFrench(value: number): string {
  if (value < 20) return french[value - 1] ?? '';
  if (value >= 80) return value === 80 ? 'quatre-vingts' : `quatre-vingt-${french[value - 81] ?? ''}`;
  const ten = Math.min(Math.floor(value / 10), 6);
  const rest = value - ten * 10;
  const word = frenchTens[ten - 2] ?? '';
  if (rest === 0) return word;
  return rest === 1 || rest === 11 ? `${word} et ${french[rest - 1] ?? ''}` : `${word}-${french[rest - 1] ?? ''}`;
}

const LANGUAGES: Readonly<Record<string, SpokenLanguage>> = {
  English: {
    zeros: ['zero', 'oh', 'o', 'nought', 'naught', 'nil'],
    say: (value) => {
      if (value < 20) return english[value - 1] ?? '';
      const ten = englishTens[Math.floor(value / 10) - 2] ?? '';
      return value % 10 === 0 ? ten : `${ten}${value % 2 === 0 ? '-' : ' '}${english[(value % 10) - 1] ?? ''}`;
    },
    double: ['double', 'a pair of'],
    triple: ['triple', 'treble'],
    areSeparate: (before, after) => before < 20 || !isRound(before) || !isUnit(after),
  },
  Spanish: {
    zeros: ['cero'],
    say: (value) => {
      if (value < 30) return spanish[value - 1] ?? '';
      const ten = spanishTens[Math.floor(value / 10) - 3] ?? '';
      return value % 10 === 0 ? ten : `${ten} y ${spanish[(value % 10) - 1] ?? ''}`;
    },
    double: ['doble', 'dos veces', 'dos veces el'],
    triple: ['triple', 'tres veces'],
    areSeparate: (before, after) => !isRound(before) || !isUnit(after),
  },
  French: {
    zeros: ['zéro', 'zero'],
    say: sayFrench,
    double: ['double', 'deux fois le'],
    triple: ['triple', 'trois fois'],
    // "soixante douze" and "quatre vingt" are one number or two, and so are phrases that begin with them.
    areSeparate: (before, after) =>
      !(isRound(before) && before !== 10 && after < 20) &&
      before !== 10 &&
      !(before === 4 && after >= 20 && after < 30),
  },
  German: {
    zeros: ['null'],
    say: (value) => {
      if (value < 20) return german[value - 1] ?? '';
      const ten = germanTens[Math.floor(value / 10) - 2] ?? '';
      const unit = value % 10;
      return unit === 0 ? ten : `${unit === 1 ? 'ein' : (german[unit - 1] ?? '')}und${ten}`;
    },
    double: ['doppel', 'zweimal', 'zweimal die', 'doppelte'],
    triple: ['dreimal', 'dreifach'],
    areSeparate: () => true,
  },
};

/** A part of a spoken PIN: a zero, a digit, a repeated digit, or a number of two digits. */
interface SpokenPart {
  readonly words: string;
  readonly digits: string;
  /** The spoken number; 0 for zeros and repeats, -1 for a written digit. */
  readonly value: number;
}

function spokenParts(language: SpokenLanguage): fc.Arbitrary<SpokenPart> {
  const zero = fc.constantFrom(...language.zeros).map((words) => ({ words, digits: '0', value: 0 }));
  const digit = fc.integer({ min: 1, max: 9 });
  const one = digit.map((value) => ({ words: language.say(value), digits: String(value), value }));
  const twoDigits = fc
    .integer({ min: 10, max: 99 })
    .map((value) => ({ words: language.say(value), digits: String(value), value }));
  const writtenDigit = fc
    .integer({ min: 0, max: 9 })
    .map((value) => ({ words: `${value}`, digits: `${value}`, value: -1 }));
  const repeated = (words: readonly string[], times: number): fc.Arbitrary<SpokenPart> =>
    fc.tuple(fc.constantFrom(...words), fc.oneof(zero, one)).map(([word, { words, digits }]) => ({
      words: `${word} ${words}`,
      digits: digits.repeat(times),
      value: 0,
    }));
  return fc.oneof(
    zero,
    one,
    twoDigits,
    twoDigits,
    writtenDigit,
    repeated(language.double, 2),
    repeated(language.triple, 3),
  );
}

/** PINs that can be heard in one way only. */
function spokenPin(language: SpokenLanguage): fc.Arbitrary<readonly SpokenPart[]> {
  const isClear = (said: readonly SpokenPart[]): boolean =>
    said.every(({ value }, at) => {
      const next = said[at + 1];
      return (
        next === undefined ||
        (next.value === -1 ? !isRound(value) : value <= 0 || language.areSeparate(value, next.value))
      );
    });
  const length = (said: readonly SpokenPart[]): number => said.reduce((sum, { digits }) => sum + digits.length, 0);
  return fc
    .array(spokenParts(language), { minLength: 2, maxLength: 8 })
    .filter((said) => length(said) >= 4 && length(said) <= 8 && isClear(said));
}

describe.each(Object.entries(LANGUAGES))('a PIN said in %s', (_, language) => {
  it('is read as the digits that the caller means, in 1,000 random forms', () => {
    const separators = fc.constantFrom(' ', ', ', '  ', '. ');
    fc.assert(
      fc.property(spokenPin(language), separators, fc.boolean(), (said, separator, upperCase) => {
        const words = said.map((part) => part.words).join(separator);
        expect([words, readPin(upperCase ? words.toUpperCase() : words)]).toEqual([
          words,
          said.map((part) => part.digits).join(''),
        ]);
      }),
      { numRuns: 1000 },
    );
  });

  it('can contain each number from 1 to 99 in words', () => {
    for (let value = 1; value < 100; value++) {
      expect([value, readDigits(language.say(value), 1, 2)]).toEqual([value, String(value)]);
    }
  });

  it('is rejected if a repeat lacks its digit or a word of no language is in it', () => {
    for (const word of [...language.double, ...language.triple]) expect(readPin(`1 2 3 ${word}`)).toBeUndefined();
    expect(readPin(`${language.say(4)} ${language.say(2)} x ${language.say(7)} ${language.say(1)}`)).toBeUndefined();
  });
});

describe('an ambiguous PIN', () => {
  it.each([
    ['treinta dos cuarenta y dos', 'thirty-two, or thirty and two'],
    ['veinte uno cuatro', '21 or 20 1'],
    ['diez seis cuatro cuatro', '16 or 10 6'],
    ['soixante douze un deux', '72 or 60 12'],
    ['soixante dix un deux', '70 or 60 10'],
    ['quatre vingt douze', '92, 4 20 12 or 80 12'],
    ['quatre vingt deux un', '82 or 4 22'],
    ['forty niner one', '49 1 or 40 9 1'],
    ['treinta una cuatro', '31 4 or 30 1 4'],
    ['vingt une quatre', '21 4 or 20 1 4'],
    ['forty 2 17', '42 or 40 2'],
    ['cuarenta 2 17', '42 or 40 2'],
    ['forty two diecisiete', 'words of two languages'],
    ['doble five un deux', 'words of three languages'],
  ])('is rejected: %s (%s)', (words) => {
    expect(readPin(words)).toBeUndefined();
  });

  it('is accepted if hyphens show which words form one number', () => {
    expect(readPin('soixante-douze dix-sept')).toBe('7217');
    expect(readPin('quatre-vingt-douze zéro un')).toBe('9201');
    expect(readPin('quatre-vingts quarante-deux')).toBe('8042');
    expect(readPin('forty-two seventeen')).toBe('4217');
  });
});
