import createClient from 'openapi-fetch';
import { type paths } from './openapi.js';
import { ApiProblem, problemOfResponse } from './problem.js';

/** Of the session. Proves to the API that a change comes from this page and not from another site. */
let csrfToken: string | undefined;

export function setCsrfToken(token: string | undefined): void {
  csrfToken = token;
}

/** Sends a request with the session of the operator. @throws ApiProblem for every answer but a success */
export async function send(request: Request): Promise<Response> {
  if (csrfToken !== undefined && !['GET', 'HEAD'].includes(request.method)) {
    request.headers.set('x-csrf-token', csrfToken);
  }
  const response = await fetch(request).catch(() => {
    throw new ApiProblem(0, 'unreachable', '');
  });
  if (!response.ok) throw await problemOfResponse(response);
  return response;
}

/** The API, with the types of its description. A call returns its answer in `data`, and throws {@link ApiProblem}. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: send, credentials: 'same-origin' });
