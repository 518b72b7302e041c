import { isKeypadPath, isKeypadPattern } from './keypad.decision.js';
import { isStepPattern } from './step-patterns.decision.js';

/** The form of a PIN: 4 to 8 decimal digits. */
export const PIN_PATTERN = /^[0-9]{4,8}$/;

/** How many of a subject's latest PINs may not return; the one in force is one of them. */
export const PIN_HISTORY = 5;
/** The rule of {@link PIN_HISTORY} in words: it needs hashes, so it is not decided here. */
export const HISTORY_RULE = `must not be one of the last ${PIN_HISTORY} PINs`;

const FEWEST_DIFFERENT_DIGITS = 3;
/** Digits that count up or down by one, anywhere in a PIN: shorter runs occur by chance. */
const LONGEST_RUN = 3;
/** Days that many people think of, as month and day: holidays, the first and the last day of a year. */
const WELL_KNOWN_DAYS = ['0101', '0214', '0501', '0704', '0911', '1031', '1224', '1225', '1226', '1231'];

/**
 * Why a PIN may not be enrolled, whoever it is for, in words that name the rule and not the PIN; undefined when it may.
 * Guesses are never judged by this: a weak PIN that is wrong is just wrong.
 *
 * The rules refuse a tenth of all PINs of 4 digits, which is where a longer list gains little more against a guesser
 * who is locked out after a few tries (Markert et al., "This PIN Can Be Easily Guessed", IEEE S&P 2020, section 6).
 */
export function weakness(pin: string): string | undefined {
  if (!PIN_PATTERN.test(pin)) return 'must be 4 to 8 digits';
  if (new Set(pin).size < FEWEST_DIFFERENT_DIGITS) {
    return `must have at least ${FEWEST_DIFFERENT_DIGITS} different digits`;
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
 * Why a PIN may not be enrolled for the owner of these telephone numbers; undefined when it may. Only for people who may
 * know the numbers: the answer tells digits of them.
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

/** 408408, 12381238: nothing but one group, again and again. */
function isRepeatedGroup(pin: string): boolean {
  return [2, 3, 4].some((length) => pin.length > length && pin === pin.slice(0, length).repeat(pin.length / length));
}

/** 1234, 7890, 9753, 0369: the same step of one, two or three from each digit to the next; by one also past the 9. */
function isRun(pin: string): boolean {
  const steps = stepsOf(pin);
  const [first] = steps;
  if (steps.length < 2 || first === undefined) return false;
  if (steps.every((step) => step === first)) return Math.abs(first) <= 3;
  return steps.every((step) => isOne(step, 1)) || steps.every((step) => isOne(step, -1));
}

/** More than {@link LONGEST_RUN} digits in a row that count up or down by one. */
function hasLongRun(pin: string): boolean {
  return [1, -1].some((way) => {
    let length = 1;
    return stepsOf(pin).some((step) => (length = isOne(step, way) ? length + 1 : 1) > LONGEST_RUN);
  });
}

/** A step of one up or down, the 0 standing after the 9. */
function isOne(step: number, way: number): boolean {
  return step === way || step === way * -9;
}

/** Years from 1900 to 2099, well-known days, and whole dates of 6 and 8 digits in the usual orders. */
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
