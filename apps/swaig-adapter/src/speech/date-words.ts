import { NUMBER_WORDS } from './number-words.js';

/** How people say days and years in one language, besides its numbers: lower case, without accents. */
export interface DateWords {
  /** Days of a month as ordinal words; parts are separated by one space. */
  readonly ordinals: Readonly<Record<string, string>>;
  /** How years begin that are not said as two numbers, the longest first, and their first two digits. */
  readonly centuries: readonly { readonly said: string; readonly digits: string }[];
  /** Words that mean nothing. */
  readonly between: readonly string[];
}

const EN_ORDINALS =
  'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth'.split(
    ' ',
  );

/** The languages in which dates are understood, by ISO 639 code. */
export const DATE_WORDS: Readonly<Record<'en' | 'es' | 'fr' | 'de', DateWords>> = {
  en: {
    ordinals: {
      ...numbered(EN_ORDINALS, 1),
      ...numbered(
        EN_ORDINALS.slice(0, 9).map((unit) => `twenty ${unit}`),
        21,
      ),
      thirtieth: '30',
      'thirty first': '31',
    },
    centuries: beginnings({ 'nineteen hundred': '19', 'two thousand': '20' }),
    between: ['the', 'of', 'and'],
  },
  es: {
    ordinals: { primero: '1' },
    centuries: beginnings({ 'mil novecientos': '19', 'dos mil': '20' }),
    between: ['el', 'de', 'del'],
  },
  fr: {
    ordinals: { premier: '1' },
    centuries: beginnings({
      'mille neuf cent': '19',
      'mil neuf cent': '19',
      'dix-neuf cent': '19',
      'deux mille': '20',
    }),
    between: ['le', 'du'],
  },
  de: {
    ordinals: germanOrdinals(),
    centuries: beginnings({ neunzehnhundert: '19', zweitausend: '20' }),
    between: ['der', 'den', 'dem', 'am'],
  },
};

function numbered(words: readonly string[], from: number): Record<string, string> {
  return Object.fromEntries(words.map((word, at) => [word, String(from + at)]));
}

function beginnings(said: Readonly<Record<string, string>>): DateWords['centuries'] {
  return Object.entries(said).map(([words, digits]) => ({ said: words, digits }));
}

/** "vierzehnter", "vierzehnten", "einundzwanzigste": the number with an ending, but for three of them. */
function germanOrdinals(): Record<string, string> {
  const irregular = { erst: '1', dritt: '3', siebt: '7' };
  const { digits, pairs } = NUMBER_WORDS['de'] ?? { digits: {}, pairs: {} };
  const stems = Object.entries({ ...digits, ...pairs })
    .filter(([, value]) => Number(value) >= 1 && Number(value) <= 31)
    .map(([word, value]) => [Number(value) < 20 ? `${word}t` : `${word}st`, value] as const);
  return Object.fromEntries(
    [...stems, ...Object.entries(irregular)].flatMap(([stem, value]) =>
      ['e', 'er', 'en'].map((ending) => [`${stem}${ending}`, value] as const),
    ),
  );
}
