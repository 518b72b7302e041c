/**
 * Everything that a SWAIG answer can say, and the placeholders that each text may hold. A policy replaces a text under
 * its name: `texts[language][name]`. Nothing that is secret has a placeholder, so no template can print it.
 */
export const TEXT_PLACEHOLDERS = {
  verified: ['name'],
  /** Where `verified` asks for a name and there is none to say. */
  verified_without_name: [],
  rejected: ['attempts'],
  /** Follows `rejected` where the policy tells the number and `rejected` itself does not hold it. */
  attempts_left: ['attempts'],
  /** Instead of `rejected`, where the policy says `discloseUnknownCaller` and there is no such subject. */
  unknown_caller: [],
  /** Also for a disabled credential. */
  locked: [],
  rate_limited: ['seconds'],
  unavailable: [],
  bad_pin: [],
  /** The customer id is no id and could be more than one number. */
  bad_customer_id: [],
  /** `{questions}`: of those whose answers are missing or have the wrong form, what is asked and one of the forms below. */
  bad_answer: ['questions'],
  /** The forms of answers by the kind of their question: `digits` with a length and without, `zip`, `date`, `text`. */
  form_digits: ['length'],
  form_any_digits: [],
  form_zip: [],
  form_date: [],
  form_text: [],
  status_none: [],
  status_identified: [],
  status_verified: [],
  transferring: ['department'],
  /** `{departments}`: the departments of the policy. */
  transfer_refused: ['departments'],
  /** What the language model reads when it may let the caller key the PIN in. */
  keypad: [],
  /** What the caller hears then. */
  keypad_prompt: [],
  /** What the language model reads when the keys were pressed. */
  keypad_done: [],
  /** The entry came too late, a second time, or for another call. */
  keypad_refused: [],
  after_hang_up: [],
  noted: [],
  not_offered: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type TextName = keyof typeof TEXT_PLACEHOLDERS;
