import { type Question } from '@countersign/contracts';
import { answersTo, knowledgeLevel } from './knowledge.js';

const QUESTIONS: Question[] = [
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

describe('the level of right answers', () => {
  const waiver = { owner: 'Ada', reason: 'pilot', expires: '2027-01-31' };
  const end = Date.parse('2027-01-31T00:00:00Z');

  it('is identified at most', () => {
    expect(knowledgeLevel({}, end)).toBe('identified');
    expect(knowledgeLevel({ waiver: null }, end)).toBe('identified');
  });

  it('is verified under a waiver, until the moment when it expires', () => {
    expect(knowledgeLevel({ waiver }, end - 1)).toBe('verified');
    expect(knowledgeLevel({ waiver }, end)).toBe('identified');
    expect(knowledgeLevel({ waiver: { ...waiver, expires: '2027-01-31T12:00:00Z' } }, end)).toBe('verified');
    expect(knowledgeLevel({ waiver: { ...waiver, expires: 'never' } }, end)).toBe('identified');
  });
});
