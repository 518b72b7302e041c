import fc from 'fast-check';
import { type Question } from '@countersign/contracts';
import { normalizeAnswer } from '@countersign/service';
import { answersFrom } from './answers.js';

const QUESTIONS: Question[] = [
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

  it.each<[string, unknown]>([
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
});
