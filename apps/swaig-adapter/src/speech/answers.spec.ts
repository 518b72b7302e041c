import fc from 'fast-check';
import { type KnowledgeQuestion } from '@countersign/contracts';
import { normalizeAnswer } from '@countersign/normalization';
import { readAnswers } from './answers.js';

const QUESTIONS: KnowledgeQuestion[] = [
  { name: 'answer', description: 'Last four digits', kind: 'digits', length: 4 },
  { name: 'answer', description: 'Account number', kind: 'digits' },
  { name: 'answer', description: 'ZIP code', kind: 'zip' },
  { name: 'answer', description: 'Date of birth', kind: 'date' },
  { name: 'answer', description: 'First pet', kind: 'text' },
];

/** Answers as callers say them and models write them, including mistakes. */
const spokenAnswer = fc.oneof(
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

describe('readAnswers', () => {
  it.each(QUESTIONS)(
    'returns an answer in the normalized form that verification compares: $description',
    (question) => {
      fc.assert(
        fc.property(spokenAnswer, (answer) => {
          const given = readAnswers([question], { answer });
          if ('missing' in given) return;
          expect(normalizeAnswer(question, given.answers['answer'] ?? '')).toBe(given.answers['answer']);
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
  ])('reads an answer of the kind %s from %j', (kind, answer, expected) => {
    const question = QUESTIONS.find((one) => one.kind === kind) as KnowledgeQuestion;
    expect(readAnswers([question], { answer })).toEqual({ answers: { answer: expected } });
  });

  it.each<[string, unknown]>([
    ['a number that may be rounded', 2 ** 53],
    ['a fraction', 0.5],
    ['a placeholder of a model', 'None'],
    ['null as a text', 'null'],
    ['N/A', 'N/A'],
    ['unknown', '<unknown>'],
    ['a dash', '-'],
    ['an empty text', ''],
    ['spaces', '  '],
    ['null', null],
    ['absent', undefined],
    ['an object', {}],
    ['a list', ['1234']],
    ['longer than any answer', 'x'.repeat(10_000)],
  ])('reports %s as a missing answer', (_, answer) => {
    for (const question of QUESTIONS) expect(readAnswers([question], { answer })).toEqual({ missing: [question] });
  });

  it('reports a ZIP code that lost its leading zero as missing, although a decimal part makes it long enough', () => {
    const question: KnowledgeQuestion = { name: 'answer', description: 'ZIP code', kind: 'zip' };
    expect(readAnswers([question], { answer: '2134.0' })).toEqual({ missing: [question] });
  });
});
