import { PARAMETERS, SCHEMAS } from './openapi-schemas.js';
import { PROBLEMS, type ProblemName } from './problems.js';

type Json = Readonly<Record<string, unknown>>;

/** Problems of every call that has a key. */
const WITH_KEY: readonly ProblemName[] = ['unauthorized', 'not-found', 'invalid-request', 'internal'];
/** Problems of every call that has a body. */
const WITH_BODY: readonly ProblemName[] = ['malformed-json', 'too-large', 'unsupported-media-type'];

const ref = (schema: string): Json => ({ $ref: `#/components/schemas/${schema}` });
const json = (schema: string): Json => ({ 'application/json': { schema: ref(schema) } });

interface Call {
  readonly id: string;
  readonly summary: string;
  readonly tag: 'tenants' | 'limits' | 'agents' | 'subjects' | 'verifications' | 'receipts' | 'service';
  readonly body?: string;
  readonly bodyOptional?: true;
  /** Status to schema; '' for no content. */
  readonly answers: Readonly<Record<number, string>>;
  readonly problems?: readonly ProblemName[];
  readonly public?: true;
  readonly headers?: readonly Json[];
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
      : { requestBody: { required: call.bodyOptional !== true, content: json(call.body) } }),
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

const TENANT = '/v1/tenants/{tenant}';
const AGENT = `${TENANT}/agents/{agent}`;
const SUBJECT = `${TENANT}/subjects/{subject}`;
const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key of the same agent gets the same answer for a day and costs no further attempt.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]+$' },
};

const CALLS: Readonly<Record<string, Readonly<Record<string, Call>>>> = {
  [TENANT]: {
    put: {
      id: 'putTenant',
      summary: 'Create a tenant, or change its name and policy',
      tag: 'tenants',
      body: 'TenantBody',
      answers: { 200: 'State', 201: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/limits`]: {
    get: {
      id: 'getLimits',
      summary: 'Read the limits in force, the overrides, and what is left of the tenant quota',
      tag: 'limits',
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/limits/overrides`]: {
    post: {
      id: 'overrideLimit',
      summary: 'Set a limit apart from the policy, for one or for everybody in its dimension, until a time',
      tag: 'limits',
      body: 'OverrideBody',
      answers: { 201: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/limits/reset`]: {
    post: {
      id: 'resetLimit',
      summary: 'Forget what one caller, call, subject, agent or the tenant has used of its limit',
      tag: 'limits',
      body: 'ResetBody',
      answers: { 204: '' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/agents`]: {
    post: {
      id: 'createAgent',
      summary: 'Add an agent; its secrets are shown once',
      tag: 'agents',
      body: 'AgentBody',
      answers: { 201: 'NewAgent' },
      problems: ['conflict', 'unavailable'],
    },
  },
  [`${AGENT}/policy`]: {
    put: {
      id: 'putAgentPolicy',
      summary: 'Replace the policy of an agent',
      tag: 'agents',
      body: 'Policy',
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${AGENT}/rotate`]: {
    post: {
      id: 'rotateAgent',
      summary: 'Give an agent new secrets; the old ones stay valid for a grace time',
      tag: 'agents',
      body: 'RotateBody',
      bodyOptional: true,
      answers: { 200: 'NewSecrets' },
      problems: ['unavailable'],
    },
  },
  [SUBJECT]: {
    put: {
      id: 'putSubject',
      summary: 'Create a subject or change what is known of it',
      tag: 'subjects',
      body: 'SubjectBody',
      answers: { 200: 'State', 201: 'State' },
      problems: ['conflict', 'unavailable'],
    },
    get: {
      id: 'getSubject',
      summary: 'Read the state, counters and locks of a subject',
      tag: 'subjects',
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
    delete: {
      id: 'eraseSubject',
      summary: 'Erase a subject, its credentials and its key; the count of guesses and the audit events stay',
      tag: 'subjects',
      answers: { 204: '' },
      problems: ['unavailable'],
    },
  },
  [`${SUBJECT}/pin`]: {
    put: {
      id: 'putPin',
      summary: 'Enrol or change the PIN of a subject',
      tag: 'subjects',
      body: 'PinBody',
      answers: { 204: '' },
      problems: ['unavailable'],
    },
  },
  [`${SUBJECT}/unlock`]: {
    post: {
      id: 'unlockSubject',
      summary: 'Open a subject that guesses have locked; a disabled PIN stays disabled until it is enrolled anew',
      tag: 'subjects',
      body: 'UnlockBody',
      answers: { 204: '' },
      problems: ['unavailable'],
    },
  },
  '/v1/verifications': {
    post: {
      id: 'verify',
      summary: 'Verify a caller; a refused guess is 200 with its outcome',
      tag: 'verifications',
      body: 'VerificationBody',
      headers: [IDEMPOTENCY_KEY],
      answers: { 200: 'Verification' },
      problems: ['forbidden', 'idempotency-mismatch', 'idempotency-in-flight', 'quota-exceeded'],
    },
  },
  '/v1/calls/{callId}/verification': {
    get: {
      id: 'getCallVerification',
      summary: 'What the record says of a call; an unknown one is not verified',
      tag: 'verifications',
      answers: { 200: 'CallVerification' },
      problems: ['forbidden', 'unavailable'],
    },
  },
  '/v1/receipts/introspect': {
    post: {
      id: 'introspectReceipt',
      summary: 'Whether a receipt is good for this tenant, in the manner of RFC 7662; consume spends it',
      tag: 'receipts',
      body: 'IntrospectionBody',
      answers: { 200: 'Introspection' },
      problems: ['forbidden', 'unavailable'],
    },
  },
  '/.well-known/jwks.json': {
    get: {
      id: 'receiptKeys',
      summary: 'The public keys of receipts, a JSON Web Key Set',
      tag: 'receipts',
      answers: { 200: 'KeySet' },
      problems: ['unavailable'],
      public: true,
    },
  },
  '/health/live': {
    get: { id: 'live', summary: 'Does the process run', tag: 'service', answers: { 200: 'Health' }, public: true },
  },
  '/health/ready': {
    get: {
      id: 'ready',
      summary: 'Can it do its work',
      tag: 'service',
      answers: { 200: 'Health', 503: 'Health' },
      public: true,
    },
  },
  '/openapi.json': {
    get: { id: 'openapi', summary: 'This description', tag: 'service', answers: { 200: 'OpenApi' }, public: true },
  },
};

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
