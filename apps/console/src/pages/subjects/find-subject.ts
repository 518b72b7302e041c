import { ApiProblem } from '../../api/problem.js';

/** The ids that the API accepts. Every other text can only be a number. */
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9._:@+-]{0,126}[A-Za-z0-9_:@+-])?$/;
/** Of a telephone link, which is a number. */
const LINK = /^tel:/i;
/** An id, or a number without its plus. */
const ID_OR_NUMBER = /^[\d.-]{7,}$/;

/**
 * A text that can be no id is used as a number only: as an id it would be part of an address.
 * @param findByNumber the id of the subject with a number; undefined without one
 * @returns the id of the subject; undefined when there is none with this number
 */
export async function findSubject(
  term: string,
  findByNumber: (phone: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  if (!ID.test(term) || LINK.test(term)) return findByNumber(term);
  if (!ID_OR_NUMBER.test(term)) return term;
  const found = await findByNumber(`+${term.replace(/^00/, '')}`).catch((error: unknown) => {
    // The digits are no possible number.
    if (error instanceof ApiProblem && error.status === 422) return undefined;
    throw error;
  });
  return found ?? term;
}
