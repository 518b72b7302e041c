import { TEXTS } from '../replies/texts.js';

/** The `error` of a refused request, by HTTP status. */
export const REFUSAL_ERRORS = {
  400: 'The body must be a JSON object.',
  401: 'The user name is the id of the agent, the password its secret.',
  403: 'The signature of the request is wrong, or the time of its address is over.',
  404: 'There is nothing here. Functions are called by POST on /swaig.',
  405: 'This method is not allowed here. Functions are called by POST on /swaig.',
  413: 'The body must be at most 256 KiB.',
  415: 'The content type must be application/json.',
  500: 'This is our fault. The log has the details.',
} as const;
export type RefusalStatus = keyof typeof REFUSAL_ERRORS;

/** The body of a refused request. A model that reads it despite the status finds a harmless `response`. */
export function refusalBody(status: RefusalStatus): { error: string; response: string } {
  return { error: REFUSAL_ERRORS[status], response: TEXTS.en.unavailable };
}
