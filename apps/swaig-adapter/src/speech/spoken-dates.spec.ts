import fc from 'fast-check';
import { readDate } from './spoken-dates.js';

describe('readDate', () => {
  it.each([
    '1985-07-14',
    '7/14/1985',
    'July 14th, 1985',
    'July fourteenth nineteen eighty five',
    'July fourteenth, nineteen eighty-five.',
    'JULY FOURTEEN NINETEEN EIGHTY FIVE',
    'the fourteenth of July, 1985',
    'fourteen july one nine eight five',
    'July 14 nineteen eighty five',
    'el catorce de julio de 1985',
    'catorce de julio de mil novecientos ochenta y cinco',
    'le quatorze juillet 1985',
    'quatorze juillet mille neuf cent quatre-vingt-cinq',
    'vierzehnter Juli neunzehnhundertfünfundachtzig',
    'am vierzehnten Juli neunzehnhundert fünfundachtzig',
  ])('reads a date with the month by name: %s', (said) => expect(readDate(said)).toBe('1985-07-14'));

  it.each([
    ['the twenty-first of May two thousand and five', '2005-05-21'],
    ['May twenty first, twenty oh five', '2005-05-21'],
    ['July twenty one nineteen eighty', '1980-07-21'],
    ['October third two thousand', '2000-10-03'],
    ['thirty-first of December nineteen ninety nine', '1999-12-31'],
    ['primero de enero de dos mil uno', '2001-01-01'],
    ['premier août deux mille douze', '2012-08-01'],
    ['einunddreißigster März zweitausendeins', '2001-03-31'],
    ['erster Mai zweitausend', '2000-05-01'],
  ])('reads ordinals and spoken years: %s', (said, date) => expect(readDate(said)).toBe(date));

  it.each([
    ['3/4/1985', 'two dates'],
    ['7/14/85', 'a year of two digits'],
    ['July fourteenth eighty five', 'a spoken year of two digits'],
    ['seven fourteen nineteen eighty five', 'no month by name'],
    ['July fourteenth', 'no year'],
    ['July nineteen eighty five', 'no day'],
    ['February thirtieth nineteen eighty five', 'a day that the calendar does not have'],
    ['fourteenth July constructor', 'the name of an inherited member'],
    ['my birthday', 'no date'],
    ['', 'an empty text'],
    ['july '.repeat(30), 'more words than a date has'],
  ])('returns undefined for text that is no date or could be two dates: %s (%s)', (said) =>
    expect(readDate(said)).toBeUndefined(),
  );

  it('reads every year from 1920 to 1999 in English words', () => {
    const ones = ['', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
    const tens = ['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'];
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 99 }), (year) => {
        const words = `${tens[Math.floor(year / 10) - 2]} ${ones[year % 10]}`.trim();
        expect(readDate(`May ninth nineteen ${words}`)).toBe(`19${year}-05-09`);
      }),
    );
  });
});
