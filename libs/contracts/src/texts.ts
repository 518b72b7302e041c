/**
 * Every text of a SWAIG response with its placeholders. A policy replaces a text by its name: `texts[language][name]`. No
 * secret has a placeholder, so no template can print one.
 */
export const TEXT_PLACEHOLDERS = {
  verified: ['name'],
  /** Used if `verified` has a placeholder for a name and the subject has none. */
  verified_without_name: [],
  rejected: ['attempts'],
  /** Follows `rejected` if the policy sets `tellAttemptsLeft` and `rejected` has no placeholder for the number. */
  attempts_left: ['attempts'],
  /** Replaces `rejected` if the policy sets `discloseUnknownCaller` and the subject does not exist. */
  unknown_caller: [],
  /** Also for a disabled credential. */
  locked: [],
  rate_limited: ['seconds'],
  unavailable: [],
  bad_pin: [],
  /** The customer id is not an id and can be read as several numbers. */
  bad_customer_id: [],
  /** `{questions}`: each question with a missing or malformed answer, with one of the forms below. */
  bad_answer: ['questions'],
  /** The forms of answers by kind of question: `digits` with and without a length, `zip`, `date`, `text`. */
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
  /** For the language model: the caller can enter the PIN on the keypad. */
  keypad: [],
  /** Played to the caller before the keypad entry. */
  keypad_prompt: [],
  /** For the language model: the keypad entry is complete. */
  keypad_done: [],
  /** The entry came too late, a second time, or for another call. */
  keypad_refused: [],
  after_hang_up: [],
  noted: [],
  not_offered: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type TextName = keyof typeof TEXT_PLACEHOLDERS;
