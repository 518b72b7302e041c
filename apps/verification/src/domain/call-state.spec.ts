import { afterSuccess, type CallState } from './call-state.js';

const at = (minute: number): string => new Date(Date.UTC(2026, 10, 23, 10, minute)).toISOString();
const state = (more: Partial<CallState> = {}): CallState => ({
  agent: 'desk',
  level: 'verified',
  subject: 'alice',
  verificationId: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10',
  verifiedAt: at(0),
  expiresAt: at(15),
  ...more,
});

describe('the state of a call after a success', () => {
  const later = { verifiedAt: at(5), expiresAt: at(20) };

  it('is that success when there was none before', () => {
    expect(afterSuccess(undefined, state())).toEqual(state());
  });

  it('keeps a higher level of the same subject, and its time', () => {
    expect(afterSuccess(state(), state({ ...later, level: 'identified' }))).toEqual(state());
  });

  it.each([
    ['the level is the same', state(), state(later)],
    ['the level is higher', state({ level: 'identified' }), state(later)],
    ['the time of the higher one is over', state({ expiresAt: at(5) }), state({ ...later, level: 'identified' })],
    ['it is for another subject', state(), state({ ...later, level: 'identified', subject: 'bob' })],
  ])('is the later one when %s', (_, before, success) => {
    expect(afterSuccess(before, success)).toBe(success);
  });
});
