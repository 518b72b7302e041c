import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import {
  PROBLEM_NAMES,
  PROBLEMS,
  PROBLEMS_EXTENSION,
  RECENT_SIGN_IN_EXTENSION,
  SHOWN_LIMITS,
  typeOf,
  type ProblemName,
} from '@countersign/api';
import { ENTITY_TAG_EXTENSION, ENTITY_TAGS } from '../http/entity-tags.js';

type Json = Record<string, unknown>;
type Components = NonNullable<OpenAPIObject['components']>;
type Schemas = NonNullable<Components['schemas']>;

interface Operation extends Json {
  operationId: string;
  parameters?: unknown[];
  requestBody?: { content: Json };
  responses: Record<string, Json>;
  security?: Record<string, string[]>[];
  [PROBLEMS_EXTENSION]?: readonly ProblemName[];
  [ENTITY_TAG_EXTENSION]?: 'whole' | 'part';
  [RECENT_SIGN_IN_EXTENSION]?: true;
}

/** Problems of every operation that needs a key. */
const WITH_KEY: readonly ProblemName[] = ['unauthorized', 'not-found', 'invalid-request', 'internal'];
/** Headers of answers, by the name of their description. */
const HEADERS = {
  'Request-Id': 'Id of the request in the log.',
  ETag: 'Entity tag of the resource, for `If-Match` and `If-None-Match`.',
  'RateLimit-Policy': 'The quotas of the agent and its tenant in force (draft-ietf-httpapi-ratelimit-headers).',
  RateLimit:
    'What remains of these quotas: `r` requests, and `t` seconds until the quota is unused or admits one more.',
  'Retry-After': 'Seconds after which the request can be sent again.',
} as const;
type HeaderName = keyof typeof HEADERS;
const QUOTA_HEADERS: readonly HeaderName[] = ['RateLimit-Policy', 'RateLimit'];

/** Problems of every operation with a body. */
const WITH_BODY: readonly ProblemName[] = ['malformed-json', 'too-large', 'unsupported-media-type'];

/** Methods that change a resource, and that compare its entity tag before. */
const CONDITIONAL_METHODS: readonly string[] = ['put', 'patch', 'delete'];

/** Operations of the health controller, which the library of HTTP servers does not describe. */
const HEALTH: Readonly<
  Record<string, { readonly summary: string; readonly answers: Readonly<Record<number, string>> }>
> = {
  live: { summary: 'Liveness', answers: { 200: 'The process runs.' } },
  ready: {
    summary: 'Readiness',
    answers: { 200: 'The service can serve requests.', 503: 'A check fails: the service cannot serve requests.' },
  },
};

/**
 * The OpenAPI document of the routes of these controllers. No controller is created and no port is opened.
 * @param schemas of the document that no class has
 */
export async function describeApi(controllers: readonly Type[], schemas: Schemas): Promise<OpenAPIObject> {
  class DescribedModule {}
  const dependencies = controllers.flatMap(
    (controller) => (Reflect.getMetadata('design:paramtypes', controller) ?? []) as Type[],
  );
  const providers = dependencies.map((provide) => ({ provide, useValue: null }));
  Module({ controllers: [...controllers], providers })(DescribedModule);
  const app = await NestFactory.create<NestFastifyApplication>(DescribedModule, new FastifyAdapter(), {
    preview: true,
    logger: false,
    abortOnError: false,
  });
  const base = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Countersign REST API')
    .setVersion('1')
    .setDescription(
      'Verifies who is calling. The scopes of an API key say which calls it may make: each call names the scope that it ' +
        'needs. Errors are problem details (RFC 9457) of a closed list of types.',
    )
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/', 'This installation')
    .addTag('verifications', 'Attempts of callers, and the verification of their calls')
    .addTag('receipts', 'Receipts of verifications')
    .addTag('tenants', 'Tenants')
    .addTag('agents', 'Agents of a tenant, and their secrets')
    .addTag('keys', 'API keys of a tenant, with names and scopes')
    .addTag('policies', 'Policies of tenants and agents, and the level that each value comes from')
    .addTag('subjects', 'The people who call, their telephone numbers and credentials')
    .addTag('limits', 'Limits in force, and overrides')
    .addTag('events', 'The audit log: search, live stream, export and proofs')
    .addTag('webhooks', 'URLs that get the events of a tenant, and the log of their deliveries')
    .addTag('service', 'Health and this description')
    .addSecurity('key', {
      type: 'http',
      scheme: 'bearer',
      description:
        'An API key, the key of the administrator, who has every scope but `verify`, or a token of the OpenID provider of an operator, whose roles give scopes. Every key with `manage` may make calls of the scope `manage:operate`.',
    })
    .build();
  base.components = { ...base.components, schemas: { ...schemas, ...problemSchemas() } };
  const document = SwaggerModule.createDocument(app, base, {
    operationIdFactory: (_controller, method) => method,
    autoTagControllers: false,
  });
  await app.close();
  const responses: Json = {};
  for (const path of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(path as Record<string, Operation>)) {
      complete(method, operation, responses);
    }
  }
  document.components = {
    ...document.components,
    headers: Object.fromEntries(
      Object.entries(HEADERS).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
    ),
    parameters: {
      'If-Match': conditionHeader('If-Match', 'Change the resource only while it has one of these ETags; `*`: any'),
      'If-None-Match': conditionHeader(
        'If-None-Match',
        'Only if the resource has none of these ETags; `*`: does not exist',
      ),
    },
    responses,
  } as Components;
  return document;
}

/** Adds to an operation what follows from its access and its method. */
function complete(method: string, operation: Operation, responses: Json): void {
  const { [PROBLEMS_EXTENSION]: own = [], [ENTITY_TAG_EXTENSION]: tagged, requestBody } = operation;
  const demandsRecentSignIn = operation[RECENT_SIGN_IN_EXTENSION] === true;
  Reflect.deleteProperty(operation, PROBLEMS_EXTENSION);
  Reflect.deleteProperty(operation, RECENT_SIGN_IN_EXTENSION);
  Reflect.deleteProperty(operation, ENTITY_TAG_EXTENSION);
  const hasEntityTag = tagged !== undefined;
  const isComparedByReads = tagged === 'whole' && method === 'get';
  const isRead = method === 'get';
  const isConditional = hasEntityTag && CONDITIONAL_METHODS.includes(method);
  const health = HEALTH[operation.operationId];
  if (health !== undefined) describeHealth(operation, health);
  operation.security ??= [];
  const [required] = operation.security;
  const isOfAgent = required?.['key']?.includes('verify') === true;
  const names = [
    ...(required === undefined ? [] : WITH_KEY),
    ...(required?.['key']?.includes('manage:read') === false ? (['forbidden'] as const) : []),
    ...(demandsRecentSignIn ? (['recent-sign-in-required'] as const) : []),
    ...(isRead || required === undefined ? [] : (['cross-site-request'] as const)),
    ...(requestBody === undefined ? [] : WITH_BODY),
    ...(isConditional ? (['precondition-failed'] as const) : []),
    ...own,
  ];
  if (isComparedByReads) operation.responses[304] = { description: 'The client has this state already.' };
  for (const [status, answer] of Object.entries(operation.responses)) {
    answer['headers'] = headersOf(
      'Request-Id',
      ...(hasEntityTag && status !== '204' ? (['ETag'] as const) : []),
      ...(isOfAgent && own.includes('quota-exceeded') ? QUOTA_HEADERS : []),
    );
  }
  const conditions = [
    ...(isConditional ? ['If-Match'] : []),
    ...(isConditional || isComparedByReads ? ['If-None-Match'] : []),
  ];
  const parameters = conditions.map((name) => ({ $ref: `#/components/parameters/${name}` }));
  if (parameters.length > 0) operation.parameters = [...(operation.parameters ?? []), ...parameters];
  for (const status of new Set(names.map((name) => PROBLEMS[name].status))) {
    const problems = PROBLEM_NAMES.filter((name) => names.includes(name) && PROBLEMS[name].status === status);
    const key = problems.map(pascalCase).join('Or');
    responses[key] ??= problemResponse(problems);
    operation.responses[status] = { $ref: `#/components/responses/${key}` };
  }
  if (method === 'patch' && requestBody) {
    requestBody.content = {
      'application/merge-patch+json': requestBody.content['application/json'],
      ...requestBody.content,
    };
  }
}

function conditionHeader(name: string, meaning: string): object {
  const schema = { type: 'string', pattern: ENTITY_TAGS.source, examples: ['"uU0nuZNNPgilLlLX2n2r-s"'] };
  return { name, in: 'header', required: false, description: `${meaning} (RFC 9110, section 13.1).`, schema };
}

function describeHealth(operation: Operation, { summary, answers }: NonNullable<(typeof HEALTH)[string]>): void {
  operation['summary'] = summary;
  operation['tags'] = ['service'];
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/HealthReport' } } };
  operation.responses = Object.fromEntries(
    Object.entries(answers).map(([status, description]) => [status, { description, content }]),
  );
}

function problemResponse(names: readonly ProblemName[]): Json {
  const schema = {
    allOf: [
      { $ref: '#/components/schemas/Problem' },
      { type: 'object', properties: { type: { type: 'string', enum: names.map(typeOf) } } },
    ],
  };
  const examples = Object.fromEntries(
    names.map((name) => {
      const { status, title, detail } = PROBLEMS[name];
      const violations =
        name === 'invalid-request' ? [{ field: 'pin', rule: 'must be a string of 4 to 8 digits' }] : undefined;
      return [name, { value: { type: typeOf(name), title, status, detail, ...(violations && { violations }) } }];
    }),
  );
  return {
    description: names.map((name) => PROBLEMS[name].title).join('; ') + '.',
    headers: headersOf(
      'Request-Id',
      ...(names.includes('quota-exceeded') ? [...QUOTA_HEADERS, 'Retry-After' as const] : []),
      ...(names.includes('unavailable') ? ['Retry-After' as const] : []),
    ),
    content: { 'application/problem+json': { schema, examples } },
  };
}

function headersOf(...names: readonly HeaderName[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function problemSchemas(): Schemas {
  const text = { type: 'string' };
  return {
    HealthReport: {
      type: 'object',
      required: ['status'],
      properties: {
        status: { type: 'string', enum: ['ok', 'unavailable'] },
        checks: { type: 'object', additionalProperties: { type: 'boolean' } },
      },
    },
    Violation: {
      type: 'object',
      required: ['field', 'rule'],
      properties: { field: text, rule: text },
    },
    Problem: {
      type: 'object',
      required: ['type', 'title', 'status', 'detail'],
      properties: {
        type: { type: 'string', enum: PROBLEM_NAMES.map(typeOf) },
        title: text,
        status: { type: 'integer' },
        detail: { type: 'string', description: 'The reason, and what to do next.' },
        violations: {
          type: 'array',
          maxItems: 20,
          description: 'Only with invalid-request: fields and the rules that they break, never a value.',
          items: { $ref: '#/components/schemas/Violation' },
        },
        limitedBy: {
          type: 'string',
          enum: [...SHOWN_LIMITS],
          description: 'Only with quota-exceeded: the limit that refused. Absent for a limit that counts by subject.',
        },
      },
    },
  };
}

function pascalCase(name: string): string {
  return name.replace(/(?:^|-)(\w)/g, (_match, letter: string) => letter.toUpperCase());
}
