import { couldBeNumber } from '../../api/possible-number.js';

/** What an operator can type or select to filter events, which is part of the address of a request. */
export interface TypedTerms {
  readonly subject?: string;
  readonly call?: string;
}

/** A field whose text must not become part of an address, and the text that says why. */
export interface RefusedTerm {
  readonly field: keyof TypedTerms;
  readonly why: 'possibleNumber' | 'noSubject';
}

/**
 * Digits that could be a telephone number are refused, except the id of a subject that exists.
 * @param findId the id of the subject with exactly this id; undefined: the operator may not search subjects
 */
export async function refusedTerm(
  { subject, call }: TypedTerms,
  findId: ((subject: string) => Promise<string | undefined>) | undefined,
): Promise<RefusedTerm | undefined> {
  if (call !== undefined && couldBeNumber(call)) return { field: 'call', why: 'possibleNumber' };
  if (subject === undefined || !couldBeNumber(subject)) return undefined;
  if (findId === undefined) return { field: 'subject', why: 'possibleNumber' };
  return (await findId(subject)) === undefined ? { field: 'subject', why: 'noSubject' } : undefined;
}
