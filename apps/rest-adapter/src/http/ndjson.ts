import { type FastifyInstance } from 'fastify';

/** Newline-delimited JSON: one JSON object per line. */
export const NDJSON = 'application/x-ndjson';

/** Routes that take NDJSON, and nothing else. */
const NDJSON_ROUTES: ReadonlySet<string | undefined> = new Set(['/v1/tenants/:tenant/subjects::import']);

/** Hands the stream of lines to its route. No limit applies to its size, because the route reads as fast as it works. */
export function addNdjsonParser(server: FastifyInstance): void {
  server.addContentTypeParser(NDJSON, (request, body, done) => {
    if (NDJSON_ROUTES.has(request.routeOptions.url)) done(null, body);
    else done(Object.assign(new Error('the route takes no NDJSON'), { statusCode: 415 }));
  });
  server.addHook('preValidation', (request, _reply, done) => {
    const isStream = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() === NDJSON;
    if (!NDJSON_ROUTES.has(request.routeOptions.url) || isStream) done();
    else done(Object.assign(new Error('the route takes NDJSON only'), { statusCode: 415 }));
  });
}
