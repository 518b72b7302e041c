import { couldBeNumber } from '../../api/possible-number.js';
import { ApiProblem } from '../../api/problem.js';

/** The ids that the API accepts. Every other text can only be a number. */
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9._:@+-]{0,126}[A-Za-z0-9_:@+-])?$/;
/** Of a telephone link, which is a number. */
const LINK = /^tel:/i;
/** A number without its plus. */
const DIGITS = /^[\d.-]{7,}$/;

/** What a text can be searched as. Each is sent in the body of a request. @returns the id of the subject; undefined without one */
export interface SubjectSearch {
  readonly byId: (id: string) => Promise<string | undefined>;
  readonly byNumber: (phone: string) => Promise<string | undefined>;
}

/**
 * The subject that an operator means. What was typed is part of no address, whatever it is: only the id of a subject that exists
 * is returned.
 */
export async function findSubject(term: string, { byId, byNumber }: SubjectSearch): Promise<string | undefined> {
  if (!ID.test(term) || LINK.test(term)) return byNumber(term);
  if (!couldBeNumber(term)) return byId(term);
  const phone = DIGITS.test(term) ? `+${term.replace(/^00/, '')}` : term;
  const found = await byNumber(phone).catch((error: unknown) => {
    // The digits are no possible number.
    if (error instanceof ApiProblem && error.status === 422) return undefined;
    throw error;
  });
  return found ?? byId(term);
}
