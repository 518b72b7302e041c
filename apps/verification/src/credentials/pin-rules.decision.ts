import { isKeypadPath, isKeypadPattern } from './keypad.decision.js';
import { isStepPattern } from './step-patterns.decision.js';

/** The form of a PIN: 4 to 8 decimal digits. */
export const PIN_PATTERN = /^[0-9]{4,8}$/;

/** The number of latest PINs that may not be enrolled again, including the one in force. */
export const PIN_HISTORY = 5;
/** Message of the rule {@link PIN_HISTORY}, which needs hashes and is not decided here. */
export const HISTORY_RULE = `must not be one of the last ${PIN_HISTORY} PINs`;

const MIN_DIFFERENT_DIGITS = 3;
/** The maximum number of digits in a row that count up or down by one. Longer runs rarely occur by chance. */
const LONGEST_RUN = 3;
/** Popular days as month and day: holidays, the first and the last day of a year. */
const WELL_KNOWN_DAYS = ['0101', '0214', '0501', '0704', '0911', '1031', '1224', '1225', '1226', '1231'];

/**
 * The rule that a PIN breaks for every subject, in words that do not contain the PIN; undefined if it breaks none. Applied to
 * enrolments only, never to submitted PINs.
 *
 * The rules refuse 10 % of all PINs of 4 digits. A longer list gains little against guesses that are locked out after a few
 * attempts (Markert et al., "This PIN Can Be Easily Guessed", IEEE S&P 2020, section 6).
 */
export function weakness(pin: string): string | undefined {
  if (!PIN_PATTERN.test(pin)) return 'must be 4 to 8 digits';
  if (new Set(pin).size < MIN_DIFFERENT_DIGITS) {
    return `must have at least ${MIN_DIFFERENT_DIGITS} different digits`;
  }
  if (/(\d)\1\1/.test(pin)) return 'must not have the same digit three times in a row';
  if (isRepeatedGroup(pin)) return 'must not repeat a group of digits';
  if (isRun(pin) || isRun(pin.replace(/(\d)\1/g, '$1')) || hasLongRun(pin)) return 'must not count up or down';
  if (isKeypadPattern(pin) || isKeypadPath(pin)) return 'must not be a line, a square or a path on the keypad';
  if (isStepPattern(pin)) return 'must not count in steps, pairs or parts';
  if (isDate(pin)) return 'must not be a year, a date or a well-known day';
  return undefined;
}

/**
 * The rule that a PIN breaks for a subject with these telephone numbers; undefined if it breaks none. The result reveals digits
 * of the numbers, so return it only to someone who may know them.
 * @param phones in E.164
 */
export function ownDataWeakness(pin: string, phones: readonly string[]): string | undefined {
  const backwards = reversed(pin);
  const found = phones.some((phone) => {
    const digits = phone.replace(/\D/g, '');
    return digits.includes(pin) || digits.includes(backwards);
  });
  return found ? 'must not be a part of a telephone number of the subject, forwards or backwards' : undefined;
}

/** 408408, 12381238: one group of digits, repeated. */
function isRepeatedGroup(pin: string): boolean {
  return [2, 3, 4].some((length) => pin.length > length && pin === pin.slice(0, length).repeat(pin.length / length));
}

/** 1234, 7890, 9753, 0369: the same step of one, two or three between all digits. A step of one may go from 9 to 0. */
function isRun(pin: string): boolean {
  const steps = stepsOf(pin);
  const [first] = steps;
  if (steps.length < 2 || first === undefined) return false;
  if (steps.every((step) => step === first)) return Math.abs(first) <= 3;
  return steps.every((step) => isOne(step, 1)) || steps.every((step) => isOne(step, -1));
}

/** More than {@link LONGEST_RUN} digits in a row that count up or down by one. */
function hasLongRun(pin: string): boolean {
  return [1, -1].some((direction) => {
    let length = 1;
    return stepsOf(pin).some((step) => (length = isOne(step, direction) ? length + 1 : 1) > LONGEST_RUN);
  });
}

/** A step of one up or down; 0 follows 9. */
function isOne(step: number, direction: number): boolean {
  return step === direction || step === direction * -9;
}

/** Years from 1900 to 2099, well-known days, and dates of 6 and 8 digits in the usual orders. */
function isDate(pin: string): boolean {
  const [a, b, c, d] = [pin.slice(0, 2), pin.slice(2, 4), pin.slice(4, 6), pin.slice(6)];
  switch (pin.length) {
    case 4:
      return isYear(pin) || WELL_KNOWN_DAYS.includes(pin) || WELL_KNOWN_DAYS.includes(b + a);
    case 6:
      return (
        isDay(a, b) || isDay(b, a) || isDay(b, c) || (isYear(a + b) && isMonth(c)) || (isMonth(a) && isYear(b + c))
      );
    case 8:
      return isYear(a + b) ? isDay(c, d) || isDay(d, c) : isYear(c + d) && (isDay(a, b) || isDay(b, a));
    default:
      return false;
  }
}

function isYear(digits: string): boolean {
  return digits.startsWith('19') || digits.startsWith('20');
}

function isMonth(digits: string): boolean {
  return Number(digits) >= 1 && Number(digits) <= 12;
}

function isDay(month: string, day: string): boolean {
  return isMonth(month) && Number(day) >= 1 && Number(day) <= 31;
}

function stepsOf(pin: string): number[] {
  const digits = [...pin].map(Number);
  return digits.slice(1).map((digit, at) => digit - (digits[at] ?? 0));
}

function reversed(text: string): string {
  return [...text].reverse().join('');
}
