import fc from 'fast-check';
import { capOf, NEW_COUNTER, LOWEST_CAP, countAttempt } from '../attempts/gate/attempt-counter.decision.js';
import { shownFailures } from './subject-state.decision.js';

const POLICY = { perWindow: 100, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };

/** What is shown after so many wrong guesses at a PIN of so many digits. */
function shownAfter(guesses: number, digits: number): { shown: number; disabled: boolean } {
  let counter = NEW_COUNTER;
  for (let n = 0; n < guesses; n++)
    ({ counter } = countAttempt(counter, { caller: undefined, cap: capOf(digits) }, n, POLICY));
  return { shown: shownFailures(counter), disabled: counter.disabled };
}

describe('the failures that are shown', () => {
  it('are all failures when the cap is the lowest', () => {
    for (let n = 0; n <= LOWEST_CAP; n++) expect(shownAfter(n, 4)).toEqual({ shown: n, disabled: n === LOWEST_CAP });
  });

  it('do not reveal the length of a PIN, whether it is disabled or not', () => {
    const guesses = fc.integer({ min: 0, max: 60 });
    const digits = fc.integer({ min: 4, max: 8 });
    fc.assert(
      fc.property(guesses, digits, guesses, digits, (some, long, others, short) => {
        const [one, other] = [shownAfter(some, long), shownAfter(others, short)];
        if (one.disabled && other.disabled) expect(one).toEqual(other);
        // A count that a PIN of 4 digits cannot have is shown of none.
        if (!one.disabled) expect(one.shown).toBeLessThan(LOWEST_CAP);
      }),
    );
  });
});
