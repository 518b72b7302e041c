import { normalizeAnswer } from '@countersign/normalization';
import { DATE_WORDS, type DateWords } from './date-words.js';
import { digitsFrom } from './spoken-digits.js';
import { trimSpeech } from '../replies/trim-speech.js';

/** Longest text that is looked at, in UTF-16 units, and most words of a date: "the twenty-first of … nineteen eighty five". */
const LONGEST_TEXT = 200;
const MOST_WORDS = 16;

const DATE = { kind: 'date' } as const;

/**
 * The date that a caller said, in ISO 8601: in every written form ({@link normalizeAnswer}), without what surrounds it
 * ({@link trimSpeech}), and with day and year in words
 * of English, Spanish, French or German ("July fourteenth nineteen eighty-five", "catorce de julio de 1985"), the month by
 * its name. Undefined for everything that is something else or could be two dates ("3/4/1985", a year of two digits).
 */
export function dateFrom(text: string): string | undefined {
  const written = normalizeAnswer(DATE, text);
  if (written !== undefined || text.length > LONGEST_TEXT) return written;
  const said = trimSpeech(text);
  const trimmed = normalizeAnswer(DATE, said);
  if (trimmed !== undefined) return trimmed;
  const words = said.match(/[^\s,.]+/g) ?? [];
  if (words.length > MOST_WORDS) return undefined;
  const readings = new Set(Object.values(DATE_WORDS).flatMap((language) => readingsOf(words, language)));
  return readings.size === 1 ? [...readings][0] : undefined;
}

/** Each word can be the month, as long as the words around it are a day and a year. */
function readingsOf(said: readonly string[], language: DateWords): string[] {
  const words = said.filter((word) => !language.between.includes(word));
  return words.flatMap((month, at) => {
    const [before, after] = [words.slice(0, at), words.slice(at + 1)];
    if (before.length > 0) return dateOf(before, month, after, language);
    return after.flatMap((_, end) => dateOf(after.slice(0, end), month, after.slice(end), language));
  });
}

function dateOf(day: readonly string[], month: string, year: readonly string[], language: DateWords): string[] {
  const date = normalizeAnswer(DATE, `${dayOf(day, language) ?? ''} ${month} ${yearOf(year, language) ?? ''}`);
  return date === undefined ? [] : [date];
}

function dayOf(words: readonly string[], { ordinals }: DateWords): string | undefined {
  const phrase = words.join(' ');
  const ordinal = phrase.replaceAll('-', ' ');
  return Object.hasOwn(ordinals, ordinal) ? ordinals[ordinal] : (digitsFrom(phrase, 1, 2) ?? phrase);
}

function yearOf(words: readonly string[], { centuries }: DateWords): string | undefined {
  const phrase = words.join(' ');
  const digits = digitsFrom(phrase, 4, 4);
  if (digits !== undefined) return digits;
  const century = centuries.find(({ said }) => phrase.startsWith(said));
  if (!century) return undefined;
  const rest = phrase.slice(century.said.length).trim();
  const within = rest === '' ? '00' : digitsFrom(rest, 1, 2);
  return within && `${century.digits}${within.padStart(2, '0')}`;
}
