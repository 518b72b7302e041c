import { knowledgeLevel } from './knowledge-level.decision.js';

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
