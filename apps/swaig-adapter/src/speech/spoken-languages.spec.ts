import fc from 'fast-check';
import { digitsFrom, pinFrom } from './spoken-digits.js';

/** How one language says a number, written down without the tables of the code. */
interface Speaker {
  readonly zeros: readonly string[];
  /** 1 to 99. */
  readonly say: (value: number) => string;
  readonly double: readonly string[];
  readonly triple: readonly string[];
  /** Whether a number may follow another with a mere space between them and be two for every listener. */
  readonly apart: (before: number, after: number) => boolean;
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

const SPEAKERS: Readonly<Record<string, Speaker>> = {
  English: {
    zeros: ['zero', 'oh', 'o', 'nought', 'naught', 'nil'],
    say: (value) => {
      if (value < 20) return english[value - 1] ?? '';
      const ten = englishTens[Math.floor(value / 10) - 2] ?? '';
      return value % 10 === 0 ? ten : `${ten}${value % 2 === 0 ? '-' : ' '}${english[(value % 10) - 1] ?? ''}`;
    },
    double: ['double', 'a pair of'],
    triple: ['triple', 'treble'],
    apart: (before, after) => before < 20 || !isRound(before) || !isUnit(after),
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
    apart: (before, after) => !isRound(before) || !isUnit(after),
  },
  French: {
    zeros: ['zéro', 'zero'],
    say: sayFrench,
    double: ['double', 'deux fois le'],
    triple: ['triple', 'trois fois'],
    // "soixante douze" and "quatre vingt" are one number or two; so is what begins with them.
    apart: (before, after) =>
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
    apart: () => true,
  },
};

/** One piece of a spoken number: a zero, a digit, a repeated digit, a pair. */
interface Piece {
  readonly words: string;
  readonly digits: string;
  /** The number that was said, or 0. */
  readonly value: number;
}

function pieces(speaker: Speaker): fc.Arbitrary<Piece> {
  const zero = fc.constantFrom(...speaker.zeros).map((words) => ({ words, digits: '0', value: 0 }));
  const digit = fc.integer({ min: 1, max: 9 });
  const one = digit.map((value) => ({ words: speaker.say(value), digits: String(value), value }));
  const pair = fc
    .integer({ min: 10, max: 99 })
    .map((value) => ({ words: speaker.say(value), digits: String(value), value }));
  const figure = fc.integer({ min: 0, max: 9 }).map((value) => ({ words: `${value}`, digits: `${value}`, value: -1 }));
  const repeated = (words: readonly string[], times: number): fc.Arbitrary<Piece> =>
    fc.tuple(fc.constantFrom(...words), fc.oneof(zero, one)).map(([word, { words, digits }]) => ({
      words: `${word} ${words}`,
      digits: digits.repeat(times),
      value: 0,
    }));
  return fc.oneof(zero, one, pair, pair, figure, repeated(speaker.double, 2), repeated(speaker.triple, 3));
}

/** Pieces that no listener joins otherwise. */
function spokenPin(speaker: Speaker): fc.Arbitrary<readonly Piece[]> {
  const clear = (said: readonly Piece[]): boolean =>
    said.every(({ value }, at) => {
      const next = said[at + 1];
      return (
        next === undefined || (next.value === -1 ? !isRound(value) : value <= 0 || speaker.apart(value, next.value))
      );
    });
  const length = (said: readonly Piece[]): number => said.reduce((sum, { digits }) => sum + digits.length, 0);
  return fc
    .array(pieces(speaker), { minLength: 2, maxLength: 8 })
    .filter((said) => length(said) >= 4 && length(said) <= 8 && clear(said));
}

describe.each(Object.entries(SPEAKERS))('a PIN said in %s', (_, speaker) => {
  it('is read as it was meant, in 1,000 forms', () => {
    const between = fc.constantFrom(' ', ', ', '  ', '. ');
    fc.assert(
      fc.property(spokenPin(speaker), between, fc.boolean(), (said, separator, loud) => {
        const words = said.map((piece) => piece.words).join(separator);
        expect([words, pinFrom(loud ? words.toUpperCase() : words)]).toEqual([
          words,
          said.map((piece) => piece.digits).join(''),
        ]);
      }),
      { numRuns: 1000 },
    );
  });

  it('says each number from 1 to 99 in one way that is understood', () => {
    for (let value = 1; value < 100; value++) {
      expect([value, digitsFrom(speaker.say(value), 1, 2)]).toEqual([value, String(value)]);
    }
  });

  it('is nothing when a word is left out of a repeat or a foreign one stands in it', () => {
    for (const word of [...speaker.double, ...speaker.triple]) expect(pinFrom(`1 2 3 ${word}`)).toBeUndefined();
    expect(pinFrom(`${speaker.say(4)} ${speaker.say(2)} x ${speaker.say(7)} ${speaker.say(1)}`)).toBeUndefined();
  });
});

describe('what could be two things', () => {
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
  ])('is asked again: %s (%s)', (words) => {
    expect(pinFrom(words)).toBeUndefined();
  });

  it('is clear where hyphens join it', () => {
    expect(pinFrom('soixante-douze dix-sept')).toBe('7217');
    expect(pinFrom('quatre-vingt-douze zéro un')).toBe('9201');
    expect(pinFrom('quatre-vingts quarante-deux')).toBe('8042');
    expect(pinFrom('forty-two seventeen')).toBe('4217');
  });
});
