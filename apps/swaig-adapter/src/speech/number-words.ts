/** The number words of one language, in lower case and without accents: the data for `readDigits`. */
export interface NumberWords {
  /** One word, one digit. */
  readonly digits: Readonly<Record<string, string>>;
  /** Words and phrases for 10 to 99. Their parts are separated by one space; the hyphenated form is the same number. */
  readonly twoDigits: Readonly<Record<string, string>>;
  /** Phrases for 10 to 99 that can also mean two numbers, so the caller has to repeat them. */
  readonly ambiguous: Readonly<Record<string, string>>;
  /** Phrases of up to {@link MAX_REPEAT_WORDS} words that repeat the digit after them: "double", "deux fois le". */
  readonly repeats: Readonly<Record<string, number>>;
  /** Plural forms of digits, which the number before them repeats: "two fives". */
  readonly plurals: Readonly<Record<string, string>>;
}

/** Number of words in the longest phrase of {@link NumberWords.repeats}: "zwei mal die". */
export const MAX_REPEAT_WORDS = 3;

const EN_UNITS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const EN_TEENS = 'ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' ');
const EN_TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');

const ES_UNITS = ['uno', 'dos', 'tres', 'cuatro', 'cinco', 'seis', 'siete', 'ocho', 'nueve'];
const ES_TEENS = 'diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve'.split(' ');
const ES_TENS = 'treinta cuarenta cincuenta sesenta setenta ochenta noventa'.split(' ');

const FR_UNITS = ['un', 'deux', 'trois', 'quatre', 'cinq', 'six', 'sept', 'huit', 'neuf'];
const FR_TEENS = 'dix onze douze treize quatorze quinze seize'.split(' ');
const FR_TENS = 'vingt trente quarante cinquante soixante'.split(' ');

const DE_UNITS = ['eins', 'zwei', 'drei', 'vier', 'funf', 'sechs', 'sieben', 'acht', 'neun'];
const DE_TEENS = 'zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn neunzehn'.split(' ');
const DE_TENS = 'zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig'.split(' ');

/** Numbers the words in order: `['a', 'b']` from 1 is `{a: '1', b: '2'}`. */
function numbered(words: readonly string[], from: number): Record<string, string> {
  return Object.fromEntries(words.map((word, at) => [word, String(from + at)]));
}

/** Maps every word to the same digit. */
function wordsForDigit(words: string, digit: string): Record<string, string> {
  return Object.fromEntries(words.split(' ').map((word) => [word, digit]));
}

/** The multiples of ten, alone and combined with each unit as the language combines them. */
function tensAndUnits(
  tens: readonly string[],
  from: number,
  units: readonly string[],
  join: (ten: string, unit: string) => string[],
): Record<string, string> {
  return Object.fromEntries(
    tens.flatMap((ten, t) => [
      [ten, String(from + t * 10)],
      ...units.flatMap((unit, u) => join(ten, unit).map((phrase) => [phrase, String(from + t * 10 + u + 1)])),
    ]),
  ) as Record<string, string>;
}

/** Omits "two times five", which can mean 55 or 22222. */
const EN: NumberWords = {
  digits: {
    ...wordsForDigit('zero oh o nought naught ought aught nil null', '0'),
    ...numbered(EN_UNITS, 1),
    // The ICAO spelling alphabet as speech recognition writes it. "too" is omitted because it is a common word.
    ...{ wun: '1', tree: '3', fower: '4', fife: '5', ait: '8', niner: '9' },
  },
  twoDigits: { ...numbered(EN_TEENS, 10), ...tensAndUnits(EN_TENS, 20, EN_UNITS, (ten, unit) => [`${ten} ${unit}`]) },
  ambiguous: {},
  repeats: {
    ...{ double: 2, triple: 3, treble: 3, quadruple: 4, quad: 4 },
    ...{ 'pair of': 2, 'a pair of': 2, 'couple of': 2, 'a couple of': 2 },
  },
  plurals: {
    ...wordsForDigit('zeros zeroes ohs os noughts naughts oughts aughts nils', '0'),
    ...numbered('ones twos threes fours fives sixes sevens eights nines'.split(' '), 1),
    niners: '9',
  },
};

const ES: NumberWords = {
  digits: { cero: '0', un: '1', una: '1', ...numbered(ES_UNITS, 1) },
  twoDigits: {
    ...numbered(ES_TEENS, 10),
    ...Object.fromEntries([...ES_UNITS, 'un'].map((unit) => [`veinti${unit}`, `2${spanishUnit(ES_UNITS, unit)}`])),
    ...tensAndUnits(['veinte', ...ES_TENS], 20, ES_UNITS, (ten, unit) => [`${ten} y ${unit}`]),
    ...numbered(['diez y seis', 'diez y siete', 'diez y ocho', 'diez y nueve'], 16),
  },
  ambiguous: {
    ...tensAndUnits(['veinte', ...ES_TENS], 20, ES_UNITS, (ten, unit) =>
      unit === 'uno' ? [`${ten} uno`, `${ten} un`, `${ten} una`] : [`${ten} ${unit}`],
    ),
    ...numbered(['diez seis', 'diez siete', 'diez ocho', 'diez nueve'], 16),
  },
  repeats: {
    ...{ doble: 2, triple: 3, cuadruple: 4, 'un par de': 2 },
    ...{ 'dos veces': 2, 'dos veces el': 2, 'tres veces': 3, 'tres veces el': 3, 'cuatro veces': 4 },
    'cuatro veces el': 4,
  },
  plurals: numbered('ceros unos doses treses cuatros cincos seises sietes ochos nueves'.split(' '), 0),
};

const FR_BELOW_20 = [...FR_UNITS, ...FR_TEENS, 'dix sept', 'dix huit', 'dix neuf'];
const FR: NumberWords = {
  digits: { zero: '0', une: '1', unite: '1', ...numbered(FR_UNITS, 1) },
  twoDigits: {
    ...numbered(FR_BELOW_20.slice(9), 10),
    ...tensAndUnits(FR_TENS, 20, FR_UNITS, (ten, unit) =>
      unit === 'un' ? [`${ten} et un`, `${ten} un`] : [`${ten} ${unit}`],
    ),
    ...numbered(
      FR_BELOW_20.slice(9).map((below) => `soixante ${below}`),
      70,
    ),
    'soixante et onze': '71',
    'quatre vingt': '80',
    'quatre vingts': '80',
    ...numbered(
      FR_BELOW_20.map((below) => `quatre vingt ${below}`),
      81,
    ),
    // Belgium, Switzerland, Canada
    ...tensAndUnits(['septante', 'huitante', 'nonante'], 70, FR_UNITS, (ten, unit) => [
      `${ten} ${unit}`,
      `${ten} et ${unit}`,
    ]),
    octante: '80',
  },
  ambiguous: {},
  repeats: {
    ...{ double: 2, triple: 3, quadruple: 4, 'une paire de': 2 },
    ...{ 'deux fois': 2, 'deux fois le': 2, 'trois fois': 3, 'trois fois le': 3, 'quatre fois': 4 },
    'quatre fois le': 4,
  },
  // Only zero has a plural form in French.
  plurals: { zeros: '0' },
};

const DE: NumberWords = {
  digits: { null: '0', ein: '1', zwo: '2', fuenf: '5', ...numbered(DE_UNITS, 1) },
  twoDigits: {
    ...numbered(DE_TEENS, 10),
    fuenfzehn: '15',
    zwoelf: '12',
    fuenfzig: '50',
    ...tensAndUnits(DE_TENS, 20, DE_UNITS, (ten, unit) => germanTwoDigits(ten, unit)),
  },
  ambiguous: {},
  // Omits "zwei mal fünf", which can also mean 2 and then 5. With the article ("zwei mal die fünf") it is clear.
  repeats: {
    ...{ doppel: 2, doppelt: 2, doppelte: 2, doppelten: 2, zweifach: 2, zweifache: 2 },
    ...{ dreifach: 3, dreifache: 3, vierfach: 4, vierfache: 4 },
    ...{ zweimal: 2, 'zweimal die': 2, 'zwei mal die': 2, dreimal: 3, 'dreimal die': 3, 'drei mal die': 3 },
    ...{ viermal: 4, 'viermal die': 4, 'vier mal die': 4 },
  },
  plurals: {
    ...numbered('nullen einsen zweien dreien vieren funfen sechsen siebenen achten neunen'.split(' '), 0),
    fuenfen: '5',
  },
};

/** German writes "doppel" and a digit as one word: "Doppelnull". */
export const COMPOUND_REPEAT = new RegExp(`\\b(doppel)(${Object.keys(DE.digits).join('|')})\\b`, 'g');

/** The supported languages of spoken digits, by ISO 639 code. */
export const NUMBER_WORDS: Readonly<Record<string, NumberWords>> = { en: EN, es: ES, fr: FR, de: DE };

/** Every word of every phrase of a language. A text with any other word is no number. */
export const WORDS_OF_NUMBERS: ReadonlySet<string> = new Set(
  Object.values(NUMBER_WORDS)
    .flatMap(({ digits, twoDigits, ambiguous, repeats, plurals }) => [digits, twoDigits, ambiguous, repeats, plurals])
    .flatMap((table) => Object.keys(table))
    .flatMap((phrase) => phrase.split(' ')),
);

function spanishUnit(units: readonly string[], unit: string): number {
  return unit === 'un' ? 1 : units.indexOf(unit) + 1;
}

/** German puts the unit first and writes one word: "zweiundvierzig". */
function germanTwoDigits(ten: string, unit: string): string[] {
  const spellings =
    unit === 'eins' ? ['ein'] : unit === 'funf' ? ['funf', 'fuenf'] : unit === 'zwei' ? ['zwei', 'zwo'] : [unit];
  const tens = ten === 'funfzig' ? ['funfzig', 'fuenfzig'] : [ten];
  return tens.flatMap((t) => spellings.flatMap((u) => [`${u}und${t}`, `${u} und ${t}`]));
}
