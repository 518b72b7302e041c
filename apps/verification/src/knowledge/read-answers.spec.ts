import { type KnowledgeQuestion } from '@countersign/contracts';
import { answersTo } from './read-answers.js';

const QUESTIONS: KnowledgeQuestion[] = [
  { name: 'last_four', description: 'Last four digits', kind: 'digits', length: 4 },
  { name: 'born', description: 'Date of birth', kind: 'date' },
];

describe('a guess at answers', () => {
  it('is read in the order of the questions and in normal form', () => {
    expect([...answersTo(QUESTIONS, { born: 'July 14, 1985', last_four: '67 89' })]).toEqual([
      ['last_four', '6789'],
      ['born', '1985-07-14'],
    ]);
  });

  it.each([
    [undefined],
    [null],
    ['6789'],
    [{}],
    [{ last_four: 6789, born: null }],
    [{ last_four: '', born: '3/4/1985' }],
  ])('that is %j has the empty answer for every question, which is never right', (answers) =>
    expect([...answersTo(QUESTIONS, answers).values()]).toEqual(['', '']),
  );

  it('has nothing but the questions, whatever else it says', () => {
    const answers = { pet: 'Rex', __proto__: { born: '1985-07-14' }, constructor: 'x' };
    expect([...answersTo(QUESTIONS, answers)]).toEqual([
      ['last_four', ''],
      ['born', ''],
    ]);
  });
});
