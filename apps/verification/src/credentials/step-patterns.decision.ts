/** PINs of fewer digits have a list of their own: these rules would refuse more of them than of longer ones. */
const SHORTEST = 5;
/** Pairs that count on by more than this, and not by tens, are nothing that people count. */
const LARGEST_PAIR_STEP = 5;

/** Rows of numbers by each step, from each digit on, written out: 246810 begins one. */
const COUNTED_OUT = Array.from({ length: 90 }, (_, n) =>
  Array.from({ length: 8 }, (_number, at) => Math.floor(n / 9) + at * ((n % 9) + 1)).join(''),
);

/**
 * Whether the digits of a longer PIN count in one of the ways that people count in: by one step past the 9 (147036), by two
 * steps in turn (142536, 134679), in parts (135246, 13572468), in pairs (131415, 102030), in numbers of more and more
 * digits (246810), or with the 0 behind the rest, as it stands on a keypad (135790). A step is also one down.
 * @param digits decimal digits; of fewer than five none is a pattern
 */
export function isStepPattern(digits: string): boolean {
  if (digits.length < SHORTEST) return false;
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

/** The steps from digit to digit, modulo 10, are the same again after `period` of them. */
function hasEqualSteps(digits: string, period: number): boolean {
  const steps = stepsOf(digits);
  return steps.every((step, at) => at < period || step === steps[at - period]);
}

/** Parts of three or four digits with the same step in all of them, up or down: 135246, 13578642. */
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
  if (Math.abs(first) > LARGEST_PAIR_STEP && first % 10 !== 0) return false;
  return steps.every((step) => step === first);
}

function stepsOf(digits: string): number[] {
  const numbers = [...digits].map(Number);
  return numbers.slice(1).map((digit, at) => (digit - (numbers[at] ?? 0) + 10) % 10);
}
