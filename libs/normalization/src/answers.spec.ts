import fc from 'fast-check';
import { answerRule, normalizeAnswer } from './answers.js';

const digits = { kind: 'digits', length: 4 } as const;
const zip = { kind: 'zip' } as const;
const date = { kind: 'date' } as const;
const text = { kind: 'text' } as const;

function monthsIn(language: string): string[] {
  const names = new Intl.DateTimeFormat(language, { month: 'long', timeZone: 'UTC' });
  return Array.from({ length: 12 }, (_, month) => names.format(Date.UTC(1985, month, 9)));
}

describe('an answer', () => {
  it.each(['6789', ' 6 7 8 9 ', '67-89', '６７８９', '٦٧٨٩', '६७८९', '𝟼𝟽𝟾𝟿'])(
    'of the kind digits matches the spelling %j',
    (said) => expect(normalizeAnswer(digits, said)).toBe('6789'),
  );

  it.each(['678', '67890', 'x6789', '6789a', '', ' ', 'VI', '6\u00a07'])(
    'of four digits is not accepted as %j',
    (said) => expect(normalizeAnswer(digits, said)).toBeUndefined(),
  );

  it.each(['94103', '94103-1234', '941031234', '９４１０３'])(
    'of the kind zip is the first five digits of %j',
    (said) => expect(normalizeAnswer(zip, said)).toBe('94103'),
  );

  it.each(['9410', '941031', 'SW1A 1AA', ''])('of the kind zip is not accepted as %j', (said) =>
    expect(normalizeAnswer(zip, said)).toBeUndefined(),
  );

  it.each([
    '1985-07-14',
    '1985-7-14',
    '1985/07/14',
    '19850714',
    '14.7.1985',
    '14. 07. 1985',
    '7/14/1985',
    '14/7/1985',
    '07-14-1985',
    'July 14, 1985',
    'july 14th 1985',
    '14 JULY 1985',
    'the 14th of July, 1985',
    'Jul. 14 1985',
    '14 de julio de 1985',
    'el 14 de Julio del 1985',
    'le 14 juillet 1985',
    '14. Juli 1985',
    'am 14. JULI 1985',
    '14-Jul-1985',
    '１９８５－０７－１４',
  ])('of the kind date matches the spelling %j', (said) => expect(normalizeAnswer(date, said)).toBe('1985-07-14'));

  it.each([
    ['3/4/1985', 'two dates'],
    ['7/14/85', 'a year of two digits'],
    ['1985-02-29', 'a day that the calendar does not have'],
    ['1985-00-10', 'no month'],
    ['1985714', 'several dates'],
    ['July 1985', 'no day'],
    ['July 14', 'no year'],
    ['14 15 1985', 'no month'],
    ['yesterday', 'no date'],
    ['', 'nothing'],
  ])('of the kind date is not accepted as %j: %s', (said) => expect(normalizeAnswer(date, said)).toBeUndefined());

  it('of the kind date accepts equal numbers for day and month, and a leap day', () => {
    expect(normalizeAnswer(date, '4/4/1985')).toBe('1985-04-04');
    expect(normalizeAnswer(date, '29 Feb 1984')).toBe('1984-02-29');
    expect(normalizeAnswer(date, 'Sept 3 1985')).toBe('1985-09-03');
    expect(normalizeAnswer(date, '1er août 1985')).toBe('1985-08-01');
    expect(normalizeAnswer(date, '1º de enero de 1985')).toBe('1985-01-01');
    expect(normalizeAnswer(date, '3. März 1985')).toBe('1985-03-03');
  });

  it.each(['en', 'es', 'fr', 'de', 'de-AT'])(
    'of the kind date accepts every name of a month in the language %s',
    (language) => {
      monthsIn(language).forEach((name, month) =>
        expect([name, normalizeAnswer(date, `9 ${name} 1985`)]).toEqual([
          name,
          `1985-${String(month + 1).padStart(2, '0')}-09`,
        ]),
      );
    },
  );

  it.each(["O'Brien-Łuk", ' o brien łuk', 'O’BRIEN ŁUK', 'óbrien łuk!', 'OBrien Luk', 'OʼBrien Łuk', 'Oʻbrien-Luk'])(
    'of the kind text matches the spelling %j',
    (said) => expect(normalizeAnswer(text, said)).toBe('obrienluk'),
  );

  it('of the kind text is the same in upper and lower case, with ß as ss', () => {
    expect(normalizeAnswer(text, 'Straße 7')).toBe(normalizeAnswer(text, 'STRASSE ７'));
    expect(normalizeAnswer(text, 'STRAẞE 7')).toBe('strasse7');
    expect(normalizeAnswer(text, 'ΟΔΟΣ ΑΘΗΝΑΣ 7')).toBe(normalizeAnswer(text, 'οδοσαθηνας7'));
    expect(normalizeAnswer(text, 'Müller')).toBe(normalizeAnswer(text, 'Mu\u0308ller'));
    expect(normalizeAnswer(text, '?!')).toBeUndefined();
  });

  it('normalizes to itself', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.constantFrom(digits, zip, date, text),
        (said, question) => {
          const once = normalizeAnswer(question, said);
          if (once !== undefined) expect(normalizeAnswer(question, once)).toBe(once);
        },
      ),
    );
  });

  it('that is too long is not accepted, even when most of it is spaces', () => {
    expect(normalizeAnswer(digits, `6789${' '.repeat(197)}`)).toBeUndefined();
    expect(normalizeAnswer(text, 'ﷺ'.repeat(100))).toBeUndefined();
  });

  it('has a rule in words for each kind', () => {
    expect([digits, zip, date, text].map(answerRule).join('\n')).toMatch(/4 digits\n.*ZIP.*\n.*date.*\n.*letters/);
  });
});
