import createClient from 'openapi-fetch';
import { type paths } from './openapi.js';
import { OperatorActivity } from './operator-activity.js';
import { ApiProblem, problemOfResponse } from './problem.js';

/** Of the session. Proves to the API that a change comes from this page and not from another site. */
let csrfToken: string | undefined;

export function setCsrfToken(token: string | undefined): void {
  csrfToken = token;
}

const activity = new OperatorActivity(window);

/** Sends a request, marked as one in the background when no action of the operator caused it. @throws ApiProblem without an answer */
export function request(sent: Request): Promise<Response> {
  for (const [name, value] of Object.entries(activity.headers())) sent.headers.set(name, value);
  return fetch(sent).catch(() => {
    throw new ApiProblem(0, 'unreachable', '');
  });
}

/** Sends a request with the session of the operator. @throws ApiProblem for every answer but a success */
export async function send(sent: Request): Promise<Response> {
  if (csrfToken !== undefined && !['GET', 'HEAD'].includes(sent.method)) {
    sent.headers.set('x-csrf-token', csrfToken);
  }
  const response = await request(sent);
  if (!response.ok) throw await problemOfResponse(response);
  return response;
}

/** The API, with the types of its description. A call returns its answer in `data`, and throws {@link ApiProblem}. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: send, credentials: 'same-origin' });
