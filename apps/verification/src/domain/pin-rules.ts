/** The form of a PIN: 4 to 8 decimal digits. */
export const PIN_PATTERN = /^[0-9]{4,8}$/;

const FEWEST_DIFFERENT_DIGITS = 3;

/**
 * Why a PIN may not be enrolled, in words that name the rule and not the PIN; undefined when it may.
 * Guesses are never judged by this: a weak PIN that is wrong is just wrong.
 */
export function weakness(pin: string): string | undefined {
  if (!PIN_PATTERN.test(pin)) return 'must be 4 to 8 digits';
  if (new Set(pin).size < FEWEST_DIFFERENT_DIGITS) {
    return `must have at least ${FEWEST_DIFFERENT_DIGITS} different digits`;
  }
  if (isRun(pin)) return 'must not count up or down';
  return undefined;
}

/** 1234, 4321, 7890, 2468: the same step from each digit to the next, wrapping at 10. */
function isRun(pin: string): boolean {
  const digits = [...pin].map(Number);
  const steps = digits.slice(1).map((digit, at) => (digit - (digits[at] ?? 0) + 10) % 10);
  return new Set(steps).size === 1;
}
