/** Shorter PINs have a list of their own, because these rules would refuse a larger share of them. */
const MIN_LENGTH = 5;
/** People count in pairs of digits by at most this step, or by tens. */
const MAX_PAIR_STEP = 5;

/** Sequences of eight numbers for each first digit and each step, as digits: 246810 begins one. */
const COUNTED_OUT = Array.from({ length: 90 }, (_, n) =>
  Array.from({ length: 8 }, (_number, at) => Math.floor(n / 9) + at * ((n % 9) + 1)).join(''),
);

/**
 * Whether the digits of a longer PIN count as people do, up or down:
 * - by one step, which may go from 9 to 0 (147036)
 * - by two alternating steps (142536, 134679)
 * - in parts (135246, 13572468)
 * - in pairs (131415, 102030)
 * - in numbers of one and two digits (246810)
 * - with the 0 at the end, as on a keypad (135790)
 * @param digits decimal digits; false for fewer than five
 */
export function isStepPattern(digits: string): boolean {
  if (digits.length < MIN_LENGTH) return false;
  const mirrored = [...digits].reverse().join('');
  return (
    hasEqualSteps(digits, 1) ||
    hasEqualSteps(digits, 2) ||
    countsInParts(digits) ||
    countsInPairs(digits) ||
    COUNTED_OUT.some((counted) => counted.startsWith(digits) || counted.startsWith(mirrored)) ||
    hasEqualSteps(digits.replace(/^0|0$/, ''), 1)
  );
}

/** The steps between digits, modulo 10, repeat after `period` steps. */
function hasEqualSteps(digits: string, period: number): boolean {
  const steps = stepsOf(digits);
  return steps.every((step, at) => at < period || step === steps[at - period]);
}

/** Parts of three or four digits, all with the same step, up or down: 135246, 13578642. */
function countsInParts(digits: string): boolean {
  return [3, 4].some((length) => {
    if (digits.length % length !== 0) return false;
    const steps = stepsOf(digits).filter((_, at) => at % length !== length - 1);
    const [first = 0] = steps;
    return Array.from({ length: digits.length / length }, (_, part) =>
      steps.slice(part * (length - 1), (part + 1) * (length - 1)),
    ).every(
      ([step = 0, ...rest]) => (step === first || step === (10 - first) % 10) && rest.every((one) => one === step),
    );
  });
}

function countsInPairs(digits: string): boolean {
  if (digits.length % 2 !== 0) return false;
  const pairs = (digits.match(/../g) ?? []).map(Number);
  const steps = pairs.slice(1).map((pair, at) => pair - (pairs[at] ?? 0));
  const [first = 0] = steps;
  if (Math.abs(first) > MAX_PAIR_STEP && first % 10 !== 0) return false;
  return steps.every((step) => step === first);
}

function stepsOf(digits: string): number[] {
  const numbers = [...digits].map(Number);
  return numbers.slice(1).map((digit, at) => (digit - (numbers[at] ?? 0) + 10) % 10);
}
