import { SUBJECT_PATTERN } from '@countersign/contracts';
import { isPlaceholder } from '@countersign/normalization';
import { readSpokenDigits } from './spoken-digits.js';
import { withoutInvisible } from '../replies/trim-speech.js';

/** A customer id as far as a model gave one. `unclear`: it could be that of more than one subject, so it is asked again. */
export type CustomerId =
  { readonly kind: 'none' | 'unclear' } | { readonly kind: 'given'; /** Perhaps nobody's. */ readonly id: string };

/** What stands around an id that was written into a sentence or ended on a keypad. */
const AROUND = /^[\s"'\u2018-\u201f\u00ab\u00bb`([{<#]+|[\s"'\u2018-\u201f\u00ab\u00bb`)\]}>.,;!?\u2026#*]+$/gu;
const FULL_WIDTH = /[\uff01-\uff5e]/g;
const FULL_WIDTH_OFFSET = 0xfee0;

/**
 * The customer id that a model gave. What can be an id stays as it is. What cannot is read without the marks around it
 * ("80412."), else as digits that were said ("eight zero four one two", "8 0 4 1 2", "８０４１２").
 */
export function readCustomerId(value: unknown): CustomerId {
  if (value === undefined || value === null || value === false) return { kind: 'none' };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && value >= 0 ? { kind: 'given', id: String(value) } : { kind: 'unclear' };
  }
  if (typeof value !== 'string') return { kind: isEmpty(value) ? 'none' : 'unclear' };
  const text = withoutInvisible(value).trim();
  if (isPlaceholder(text)) return { kind: 'none' };
  if (SUBJECT_PATTERN.test(text)) return { kind: 'given', id: text };
  const bare = text.replace(FULL_WIDTH, toAscii).replace(AROUND, '');
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

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function toAscii(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) - FULL_WIDTH_OFFSET);
}
