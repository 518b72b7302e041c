import { CALLS, type Call } from './openapi-calls.js';
import { PARAMETERS, SCHEMAS } from './openapi-schemas.js';
import { PROBLEMS, type ProblemName } from '../http/problems.js';

type Json = Readonly<Record<string, unknown>>;

/** Problems of every call that has a key. */
const WITH_KEY: readonly ProblemName[] = ['unauthorized', 'not-found', 'invalid-request', 'internal'];
/** Problems of every call that has a body. */
const WITH_BODY: readonly ProblemName[] = ['malformed-json', 'too-large', 'unsupported-media-type'];

const ref = (schema: string): Json => ({ $ref: `#/components/schemas/${schema}` });
const json = (schema: string): Json => ({ 'application/json': { schema: ref(schema) } });

function bodyOf(schema: string, isPatch: true | undefined): Json {
  return isPatch ? { 'application/merge-patch+json': { schema: ref(schema) }, ...json(schema) } : json(schema);
}

function operation(path: string, call: Call): Json {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const problems = [
    ...(call.public ? [] : WITH_KEY),
    ...(call.body === undefined ? [] : WITH_BODY),
    ...(call.problems ?? []),
  ];
  const parameters = [
    ...names.map((name) => ({ name, in: 'path', required: true, schema: PARAMETERS[name] })),
    ...(call.headers ?? []),
  ];
  return {
    operationId: call.id,
    summary: call.summary,
    tags: [call.tag],
    security: call.public ? [] : [{ key: [] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(call.body === undefined
      ? {}
      : { requestBody: { required: call.bodyOptional !== true, content: bodyOf(call.body, call.isPatch) } }),
    responses: { ...answers(call.answers), ...problemResponses(problems) },
  };
}

function answers(schemas: Readonly<Record<number, string>>): Json {
  return Object.fromEntries(
    Object.entries(schemas).map(([status, schema]) => [
      status,
      schema === '' ? { description: 'Done.' } : { description: schema, content: json(schema) },
    ]),
  );
}

/** One response per status; it names the problem types that it can hold. */
function problemResponses(problems: readonly ProblemName[]): Json {
  const byStatus = new Map<number, ProblemName[]>();
  for (const problem of problems) {
    const { status } = PROBLEMS[problem];
    byStatus.set(status, [...(byStatus.get(status) ?? []), problem]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      status,
      {
        description: names.map((name) => `${name}: ${PROBLEMS[name].title}.`).join(' '),
        content: { 'application/problem+json': { schema: ref('Problem') } },
      },
    ]),
  );
}

/** The description of this API; `docs/openapi.json` is the same. */
export const OPENAPI: Json = {
  openapi: '3.1.0',
  info: {
    title: 'Countersign REST API',
    version: '1',
    description:
      'Verifies who is calling. Management calls need the key of the administrator, verifications the API key of an ' +
      'agent. Errors are problem details (RFC 9457) of a closed list of types.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  paths: Object.fromEntries(
    Object.entries(CALLS).map(([path, calls]) => [
      path,
      Object.fromEntries(Object.entries(calls).map(([method, call]) => [method, operation(path, call)])),
    ]),
  ),
  components: {
    securitySchemes: {
      key: { type: 'http', scheme: 'bearer', description: "The administrator's key, or the API key of an agent." },
    },
    schemas: { ...SCHEMAS, OpenApi: { type: 'object', description: 'An OpenAPI 3.1 document.' } },
  },
};
