import { type FastifyInstance } from 'fastify';

/** The form of requests by OpenID providers. */
const FORM = 'application/x-www-form-urlencoded';

const FORM_ROUTES: ReadonlySet<string | undefined> = new Set(['/console/session/back-channel-logout']);

/** Hands the text of a form to its route. Any page can send a form to any site, so no other route takes one. */
export function addFormParser(server: FastifyInstance): void {
  server.addContentTypeParser(FORM, { parseAs: 'string' }, (request, body, done) => {
    if (FORM_ROUTES.has(request.routeOptions.url)) done(null, body);
    else done(Object.assign(new Error('the route takes no form'), { statusCode: 415 }));
  });
}
