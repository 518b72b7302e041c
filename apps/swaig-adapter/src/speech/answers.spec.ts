import fc from 'fast-check';
import { type KnowledgeQuestion } from '@countersign/contracts';
import { normalizeAnswer } from '@countersign/normalization';
import { answersFrom } from './answers.js';

const QUESTIONS: KnowledgeQuestion[] = [
  { name: 'asked', description: 'Last four digits', kind: 'digits', length: 4 },
  { name: 'asked', description: 'Account number', kind: 'digits' },
  { name: 'asked', description: 'ZIP code', kind: 'zip' },
  { name: 'asked', description: 'Date of birth', kind: 'date' },
  { name: 'asked', description: 'First pet', kind: 'text' },
];

/** What callers say and models write, with all the mistakes in it. */
const said = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.integer(),
  fc.stringMatching(/^[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}$/),
  fc
    .array(
      fc.constantFrom(
        'july',
        'mayo',
        '14',
        'fourteenth',
        'the',
        'of',
        'de',
        'nineteen',
        'eighty',
        'five',
        '85',
        '1985',
      ),
      { maxLength: 6 },
    )
    .map((words) => words.join(' ')),
);

describe('an answer that is passed on', () => {
  it.each(QUESTIONS)(
    'is one that verification can read, in the form in which it compares: $description',
    (question) => {
      fc.assert(
        fc.property(said, (asked) => {
          const given = answersFrom([question], { asked });
          if ('missing' in given) return;
          expect(normalizeAnswer(question, given.answers['asked'] ?? '')).toBe(given.answers['asked']);
        }),
        { numRuns: 1000 },
      );
    },
  );

  it.each<[string, unknown, string]>([
    ['digits', '6789#', '6789'],
    ['digits', 'DTMF: 6789', '6789'],
    ['digits', '6789.0', '6789'],
    ['digits', 'treble six niner', '6669'],
    ['digits', 'two sixes, two nines', '6699'],
    ['digits', '\u200e67\u200b89\u200f', '6789'],
    ['zip', 'oh two one three four', '02134'],
    ['zip', '02134.0', '02134'],
    ['zip', '02134-1234', '02134'],
    ['date', '\u200e1985-07-14\u200f', '1985-07-14'],
    ['date', 'DTMF: 19850714#', '1985-07-14'],
    ['date', 'My date of birth is July 14, 1985.', '1985-07-14'],
    ['date', 'the fourteenth of July one niner eight fife', '1985-07-14'],
    ['date', 'May ninth nineteen nought five', '1905-05-09'],
    ['text', '\u200eRex\u200f', 'rex'],
  ])('of the kind %s is understood as %j', (kind, asked, expected) => {
    const question = QUESTIONS.find((one) => one.kind === kind) as KnowledgeQuestion;
    expect(answersFrom([question], { asked })).toEqual({ answers: { asked: expected } });
  });

  it.each<[string, unknown]>([
    ['a number that may be rounded', 2 ** 53],
    ['a fraction', 0.5],
    ['a word of a model for nothing', 'None'],
    ['null as a text', 'null'],
    ['N/A', 'N/A'],
    ['unknown', '<unknown>'],
    ['a dash', '-'],
    ['nothing', ''],
    ['spaces', '  '],
    ['null', null],
    ['absent', undefined],
    ['an object', {}],
    ['a list', ['1234']],
    ['longer than any answer', 'x'.repeat(10_000)],
  ])('is never one that is %s', (_, asked) => {
    for (const question of QUESTIONS) expect(answersFrom([question], { asked })).toEqual({ missing: [question] });
  });

  it('is not made longer by a decimal part: a ZIP code that lost its zero is asked for again', () => {
    const question: KnowledgeQuestion = { name: 'asked', description: 'ZIP code', kind: 'zip' };
    expect(answersFrom([question], { asked: '2134.0' })).toEqual({ missing: [question] });
  });
});
