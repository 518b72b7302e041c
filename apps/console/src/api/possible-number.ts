/** What may stand beside the digits of a telephone number, in lower case. */
const WORDS: ReadonlySet<string> = new Set([
  'tel',
  'telephone',
  'phone',
  'mobile',
  'cell',
  'fax',
  'sip',
  'sips',
  'no',
  'nr',
  'number',
  'ext',
  'extension',
  'x',
]);
const LEAST_DIGITS = 7;

/**
 * Whether a text could be a telephone number, in digits of any script and with any characters between them. Such a text becomes
 * part of an address only when it is known as an id.
 */
export function couldBeNumber(text: string): boolean {
  // The host of a SIP address is no part of the number.
  const plain = text.normalize('NFKC').toLowerCase().split('@', 1)[0] ?? '';
  const words = plain.match(/\p{L}+/gu) ?? [];
  return (plain.match(/\p{Nd}/gu)?.length ?? 0) >= LEAST_DIGITS && words.every((word) => WORDS.has(word));
}
