/** Digits of every script, and what telephone numbers are written with. */
const NUMBER = /^(?:(?:tel|sips?):)?[\p{Nd}\s().+/_:;*#,-]+(?:@.*)?$/iu;
const LEAST_DIGITS = 7;

/** Whether a text could be a telephone number. Such a text becomes part of an address only when it is known as an id. */
export const couldBeNumber = (text: string): boolean =>
  NUMBER.test(text.trim()) && (text.match(/\p{Nd}/gu)?.length ?? 0) >= LEAST_DIGITS;
