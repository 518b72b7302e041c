import { SUBJECT_PATTERN } from '@countersign/contracts';
import { isPlaceholder } from '@countersign/normalization';
import { readSpokenDigits } from './spoken-digits.js';
import { removeInvisible } from './trim-speech.js';

/** The result of reading a customer id. `unclear`: it could belong to more than one subject, so the caller must repeat it. */
export type CustomerId =
  | { readonly kind: 'none' | 'unclear' }
  | { readonly kind: 'given'; /** Not necessarily the id of a subject. */ readonly id: string };

/** Marks around an id in a sentence, and the keys that end a keypad entry. */
const SURROUNDING_MARKS =
  /^[\s"'\u2018-\u201f\u00ab\u00bb`([{<#]+|[\s"'\u2018-\u201f\u00ab\u00bb`)\]}>.,;!?\u2026#*]+$/gu;
const FULL_WIDTH = /[\uff01-\uff5e]/g;
const FULL_WIDTH_OFFSET = 0xfee0;

/**
 * Reads the customer id of a function argument. A valid id is returned unchanged. Any other text is read without the marks
 * around it ("80412."), else as spoken digits ("eight zero four one two", "8 0 4 1 2", "８０４１２").
 */
export function readCustomerId(value: unknown): CustomerId {
  if (value === undefined || value === null || value === false) return { kind: 'none' };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && value >= 0 ? { kind: 'given', id: String(value) } : { kind: 'unclear' };
  }
  if (typeof value !== 'string') return { kind: isEmptyObject(value) ? 'none' : 'unclear' };
  const text = removeInvisible(value).trim();
  if (isPlaceholder(text)) return { kind: 'none' };
  if (SUBJECT_PATTERN.test(text)) return { kind: 'given', id: text };
  const bare = text.replace(FULL_WIDTH, toAscii).replace(SURROUNDING_MARKS, '');
  if (SUBJECT_PATTERN.test(bare)) return { kind: 'given', id: bare };
  const reading = readSpokenDigits(text);
  switch (reading.kind) {
    case 'digits':
      return { kind: 'given', id: reading.digits };
    case 'unclear':
      return { kind: 'unclear' };
    case 'none':
      return { kind: 'given', id: text };
  }
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function toAscii(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) - FULL_WIDTH_OFFSET);
}
