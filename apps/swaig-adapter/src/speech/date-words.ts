import { NUMBER_WORDS } from './number-words.js';

/** Words for days and years in one language, in addition to its number words; in lower case and without accents. */
export interface DateWords {
  /** Ordinal words for the days of a month; their parts are separated by one space. */
  readonly ordinals: Readonly<Record<string, string>>;
  /** Phrases that begin a year and stand for its first two digits, the longest first. */
  readonly centuries: readonly { readonly words: string; readonly digits: string }[];
  /** Articles and prepositions, which carry no number. */
  readonly ignored: readonly string[];
}

const EN_ORDINALS =
  'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth'.split(
    ' ',
  );

/** The supported languages of spoken dates, by ISO 639 code. */
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
    centuries: centuryPrefixes({ 'nineteen hundred': '19', 'two thousand': '20' }),
    ignored: ['the', 'of', 'and'],
  },
  es: {
    ordinals: { primero: '1' },
    centuries: centuryPrefixes({ 'mil novecientos': '19', 'dos mil': '20' }),
    ignored: ['el', 'de', 'del'],
  },
  fr: {
    ordinals: { premier: '1' },
    centuries: centuryPrefixes({
      'mille neuf cent': '19',
      'mil neuf cent': '19',
      'dix-neuf cent': '19',
      'deux mille': '20',
    }),
    ignored: ['le', 'du'],
  },
  de: {
    ordinals: germanOrdinals(),
    centuries: centuryPrefixes({ neunzehnhundert: '19', zweitausend: '20' }),
    ignored: ['der', 'den', 'dem', 'am'],
  },
};

function numbered(words: readonly string[], from: number): Record<string, string> {
  return Object.fromEntries(words.map((word, at) => [word, String(from + at)]));
}

function centuryPrefixes(prefixes: Readonly<Record<string, string>>): DateWords['centuries'] {
  return Object.entries(prefixes).map(([words, digits]) => ({ words, digits }));
}

/** "vierzehnter", "vierzehnten", "einundzwanzigste": the number word with an ending. Three ordinals are irregular. */
function germanOrdinals(): Record<string, string> {
  const irregular = { erst: '1', dritt: '3', siebt: '7' };
  const { digits, twoDigits: pairs } = NUMBER_WORDS['de'] ?? { digits: {}, twoDigits: {} };
  const stems = Object.entries({ ...digits, ...pairs })
    .filter(([, value]) => Number(value) >= 1 && Number(value) <= 31)
    .map(([word, value]) => [Number(value) < 20 ? `${word}t` : `${word}st`, value] as const);
  return Object.fromEntries(
    [...stems, ...Object.entries(irregular)].flatMap(([stem, value]) =>
      ['e', 'er', 'en'].map((ending) => [`${stem}${ending}`, value] as const),
    ),
  );
}
