/** Names and abbreviations of the months in English, Spanish, French and German, without accents; one line per month. */
const MONTHS = [
  'january jan enero ene janvier janv januar janner jaenner',
  'february feb febrero fevrier fevr februar feber',
  'march mar marzo mars marz maerz mrz',
  'april apr abril abr avril avr',
  'may mayo mai',
  'june jun junio juin juni',
  'july jul julio juillet juil juli',
  'august aug agosto ago aout',
  'september sept sep septiembre setiembre septembre',
  'october oct octubre octobre oktober okt',
  'november nov noviembre novembre',
  'december dec diciembre dic decembre dezember dez',
].map((names) => names.split(' '));
/** Words between the parts of a date in the same languages: "the 14th of July", "14 de julio de 1985". */
const FILLER_WORDS = /\b(the|of|el|de|del|le|du|der|den|dem|am|vom)\b/g;
/** 14, or with an ordinal suffix: 1st, 14th, 1er, 1º (1o in Unicode compatibility form). */
const DAY = /^(\d{1,2})(?:st|nd|rd|th|er|o|ero)?$/;

/**
 * Reads a date with a four-digit year:
 * - year, month, day: 1985-07-14, 1985/7/14, 19850714
 * - day, month, year with dots: 14.7.1985
 * - the month as a word of English, Spanish, French or German: July 14th, 1985; 14 de julio de 1985; 14. Juli 1985
 * - two numbers and a year, if the order is clear because one number is above 12 or both are equal: 7/14/1985, 14-7-1985
 * @param text lower case, ASCII digits, without accents
 * @returns ISO 8601; undefined for an ambiguous date such as 3/4/1985
 */
export function toIsoDate(text: string): string | undefined {
  const compact = text.trim().replace(/\s+/g, ' ');
  const ymd = /^(\d{4})([-/. ]?)(\d{1,2})\2(\d{1,2})$/.exec(compact);
  if (ymd) {
    const [, year = '', mark, month = '', day = ''] = ymd;
    return mark === '' && compact.length !== 8 ? undefined : isoDate(year, month, day);
  }
  const dotted = /^(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})$/.exec(compact);
  if (dotted) return isoDate(dotted[3], dotted[2], dotted[1]);
  const numbers = /^(\d{1,2})([-/ ])(\d{1,2})\2(\d{4})$/.exec(compact);
  if (numbers) {
    const [, first = '', , second = '', year = ''] = numbers;
    if (Number(first) === Number(second) || Number(second) > 12) return isoDate(year, first, second);
    return Number(first) > 12 ? isoDate(year, second, first) : undefined;
  }
  return fromWords(compact);
}

/** The month is a word; day and month can be in either order. */
function fromWords(text: string): string | undefined {
  const words = text.replace(/[.,]/g, ' ').replace(FILLER_WORDS, ' ').trim();
  const [first = '', second = '', year, ...rest] = words.split(/\s+|-/);
  if (rest.length > 0) return undefined;
  const month = monthOf(first) ?? monthOf(second);
  const day = DAY.exec(monthOf(first) === undefined ? first : second)?.[1];
  return month === undefined || day === undefined ? undefined : isoDate(year, String(month), day);
}

function monthOf(word: string): number | undefined {
  const index = MONTHS.findIndex((names) => names.includes(word));
  return index === -1 ? undefined : index + 1;
}

/** Undefined for a day that does not exist. */
function isoDate(year: string | undefined, month = '', day = ''): string | undefined {
  if (year === undefined || !/^[12]\d{3}$/.test(year)) return undefined;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined;
  return `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
}
