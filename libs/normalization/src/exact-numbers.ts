/** Most digits of a number that is expanded: no id, telephone number or PIN has more. */
const MAX_DIGITS = 128;

const NUMBER = /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WHOLE = /^([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** Replaces a number that would be rounded. Not a whole number, so every rule for a whole number refuses it. */
const REFUSED_NUMBER = '0.5';

/**
 * The digits of a whole number of any size: `9007199254740993`, `4829.0`, `4.829e3`. Keeps leading zeros. Undefined for a
 * negative number, a fraction, and a number of more than 128 digits.
 */
export function wholeDigits(literal: string): string | undefined {
  const [, whole = '', fraction = '', exponent = '0'] = WHOLE.exec(literal) ?? [];
  const shift = Number(exponent);
  if (whole === '' || Math.abs(shift) > MAX_DIGITS || literal.length > 2 * MAX_DIGITS) return undefined;
  const digits = `${whole}${fraction}`;
  const end = whole.length + shift;
  if (end < 1) return /^0+$/.test(digits) ? '0' : undefined;
  if (/[1-9]/.test(digits.slice(end))) return undefined;
  const expanded = digits.slice(0, end).padEnd(end, '0');
  if (expanded.length > MAX_DIGITS) return undefined;
  return shift === 0 ? expanded : expanded.replace(/^0+(?=[0-9])/, '');
}

/**
 * Replaces each number that `JSON.parse` would round to a whole number, such as `9007199254740993` or
 * `3.00000000000000000001`, by a fraction. The rule of its field then refuses it by name, instead of accepting other digits.
 */
export function withoutRounding(json: string): string {
  return replaceNumbers(json, (literal) => {
    const value = Math.abs(Number(literal));
    if (Number.isFinite(value) && !Number.isInteger(value)) return literal;
    const digits = wholeDigits(literal.replace(/^-/, ''));
    return Number.isSafeInteger(value) && digits !== undefined && Number(digits) === value ? literal : REFUSED_NUMBER;
  });
}

/**
 * Replaces each whole number by the text of its digits, which keeps large numbers and leading zeros: `{"pin":0427}` becomes
 * `{"pin":"0427"}`. Treats other numbers as {@link withoutRounding} does.
 */
export function withDigitsAsText(json: string): string {
  return withoutRounding(
    replaceNumbers(json, (literal) => {
      const digits = wholeDigits(literal);
      return digits === undefined ? literal : `"${digits}"`;
    }),
  );
}

/** Replaces the numbers outside of strings. Reads each character once, so a crafted body is not slower than others. */
function replaceNumbers(json: string, replacement: (literal: string) => string): string {
  const parts: string[] = [];
  let copied = 0;
  for (let at = 0; at < json.length;) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(json, at);
      continue;
    }
    NUMBER.lastIndex = at;
    const literal = code === MINUS || (code >= ZERO && code <= NINE) ? NUMBER.exec(json)?.[0] : undefined;
    if (literal === undefined) {
      at++;
      continue;
    }
    parts.push(json.slice(copied, at), replacement(literal));
    at += literal.length;
    copied = at;
  }
  return copied === 0 ? json : parts.join('') + json.slice(copied);
}

const [QUOTE, BACKSLASH, MINUS, ZERO, NINE] = [0x22, 0x5c, 0x2d, 0x30, 0x39];

/** The index after the closing quote. */
function endOfString(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at + 1;
  }
  return json.length;
}
