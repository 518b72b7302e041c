import { normalizeAnswer } from '@countersign/normalization';
import { DATE_WORDS, type DateWords } from './date-words.js';
import { readDigits } from './spoken-digits.js';
import { trimSpeech } from './trim-speech.js';

/** Longest text that is parsed, in UTF-16 units. */
const MAX_TEXT_LENGTH = 200;
/** Number of words in the longest date ("the twenty-first of … nineteen eighty five"), with some reserve. */
const MAX_WORDS = 16;

const DATE = { kind: 'date' } as const;

/**
 * Reads a written or spoken date and returns it in ISO 8601.
 *
 * - Written dates follow {@link normalizeAnswer}, after {@link trimSpeech} removed the words around them.
 * - Spoken dates name the month and give day and year in English, Spanish, French or German words:
 *   "July fourteenth nineteen eighty-five", "catorce de julio de 1985".
 *
 * Returns undefined for text that is no date or that could be two dates ("3/4/1985", a year of two digits).
 */
export function readDate(text: string): string | undefined {
  const written = normalizeAnswer(DATE, text);
  if (written !== undefined || text.length > MAX_TEXT_LENGTH) return written;
  const trimmed = trimSpeech(text);
  const date = normalizeAnswer(DATE, trimmed);
  if (date !== undefined) return date;
  const words = trimmed.match(/[^\s,.]+/g) ?? [];
  if (words.length > MAX_WORDS) return undefined;
  const readings = new Set(Object.values(DATE_WORDS).flatMap((language) => readingsOf(words, language)));
  return readings.size === 1 ? [...readings][0] : undefined;
}

/** Tries each word as the month; the words around it must be a day and a year. */
function readingsOf(allWords: readonly string[], language: DateWords): string[] {
  const words = allWords.filter((word) => !language.ignored.includes(word));
  return words.flatMap((month, at) => {
    const [before, after] = [words.slice(0, at), words.slice(at + 1)];
    if (before.length > 0) return datesWith(before, month, after, language);
    return after.flatMap((_, end) => datesWith(after.slice(0, end), month, after.slice(end), language));
  });
}

function datesWith(day: readonly string[], month: string, year: readonly string[], language: DateWords): string[] {
  const date = normalizeAnswer(DATE, `${dayOf(day, language) ?? ''} ${month} ${yearOf(year, language) ?? ''}`);
  return date === undefined ? [] : [date];
}

function dayOf(words: readonly string[], { ordinals }: DateWords): string | undefined {
  const phrase = words.join(' ');
  const ordinal = phrase.replaceAll('-', ' ');
  return Object.hasOwn(ordinals, ordinal) ? ordinals[ordinal] : (readDigits(phrase, 1, 2) ?? phrase);
}

function yearOf(words: readonly string[], { centuries }: DateWords): string | undefined {
  const phrase = words.join(' ');
  const digits = readDigits(phrase, 4, 4);
  if (digits !== undefined) return digits;
  const century = centuries.find(({ words: prefix }) => phrase.startsWith(prefix));
  if (!century) return undefined;
  const rest = phrase.slice(century.words.length).trim();
  const lastTwoDigits = rest === '' ? '00' : readDigits(rest, 1, 2);
  return lastTwoDigits && `${century.digits}${lastTwoDigits.padStart(2, '0')}`;
}
