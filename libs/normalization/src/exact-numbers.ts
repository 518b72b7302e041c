/** Longest number that is expanded: no id, telephone number or PIN has more digits. */
const LONGEST = 128;

const NUMBER = /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WHOLE = /^([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** A JSON number that is no whole number, so that every rule for a whole number refuses it. */
const UNREADABLE = '0.5';

/**
 * The digits of a number as it is written, however large: `9007199254740993`, `4829.0`, `4.829e3`. Leading zeros stay.
 * Undefined for a negative number, a fraction, and a number of more than 128 digits.
 */
export function wholeDigits(literal: string): string | undefined {
  const [, whole = '', fraction = '', exponent = '0'] = WHOLE.exec(literal) ?? [];
  const shift = Number(exponent);
  if (whole === '' || Math.abs(shift) > LONGEST || literal.length > 2 * LONGEST) return undefined;
  const digits = `${whole}${fraction}`;
  const end = whole.length + shift;
  if (end < 1) return /^0+$/.test(digits) ? '0' : undefined;
  if (/[1-9]/.test(digits.slice(end))) return undefined;
  const expanded = digits.slice(0, end).padEnd(end, '0');
  if (expanded.length > LONGEST) return undefined;
  return shift === 0 ? expanded : expanded.replace(/^0+(?=[0-9])/, '');
}

/**
 * JSON text in which no number would be rounded: what `JSON.parse` would round to a whole number becomes a fraction,
 * which the rule of its field then refuses by name. `9007199254740993` and `3.00000000000000000001` are such numbers.
 */
export function withoutRounding(json: string): string {
  return replaceNumbers(json, (literal) => {
    const value = Math.abs(Number(literal));
    if (Number.isFinite(value) && !Number.isInteger(value)) return literal;
    const digits = wholeDigits(literal.replace(/^-/, ''));
    return Number.isSafeInteger(value) && digits !== undefined && Number(digits) === value ? literal : UNREADABLE;
  });
}

/**
 * JSON text in which every whole number is the text of its digits, so that neither large numbers nor leading zeros are
 * lost: `{"pin":0427}` becomes `{"pin":"0427"}`. Other numbers are as in {@link withoutRounding}.
 */
export function withDigitsAsText(json: string): string {
  return withoutRounding(
    replaceNumbers(json, (literal) => {
      const digits = wholeDigits(literal);
      return digits === undefined ? literal : `"${digits}"`;
    }),
  );
}

/** Replaces the numbers outside of texts. Reads each character once: a hostile body costs no more than another one. */
function replaceNumbers(json: string, replacement: (literal: string) => string): string {
  const parts: string[] = [];
  let copied = 0;
  for (let at = 0; at < json.length;) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfText(json, at);
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

/** The index behind the closing quote. */
function endOfText(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at + 1;
  }
  return json.length;
}
