import fc from 'fast-check';
import { dateFrom } from './spoken-dates.js';

describe('a date that a caller says', () => {
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
  ])('is read with its month by name: %s', (said) => expect(dateFrom(said)).toBe('1985-07-14'));

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
  ])('has ordinals and years as people say them: %s', (said, date) => expect(dateFrom(said)).toBe(date));

  it.each([
    ['3/4/1985', 'two dates'],
    ['7/14/85', 'a year of two digits'],
    ['July fourteenth eighty five', 'a year of two digits'],
    ['seven fourteen nineteen eighty five', 'no month by name'],
    ['July fourteenth', 'no year'],
    ['July nineteen eighty five', 'no day'],
    ['February thirtieth nineteen eighty five', 'a day that the calendar does not have'],
    ['fourteenth July constructor', 'another word'],
    ['my birthday', 'no date'],
    ['', 'nothing'],
    ['july '.repeat(30), 'more words than a date has'],
  ])('is none when it is something else or could be two: %s (%s)', (said) => expect(dateFrom(said)).toBeUndefined());

  it('is the same in each of the ways in which English speakers say a year', () => {
    const ones = ['', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
    const tens = ['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'];
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 99 }), (year) => {
        const words = `${tens[Math.floor(year / 10) - 2]} ${ones[year % 10]}`.trim();
        expect(dateFrom(`May ninth nineteen ${words}`)).toBe(`19${year}-05-09`);
      }),
    );
  });
});
