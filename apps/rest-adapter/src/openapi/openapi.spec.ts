import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROBLEM_NAMES, typeOf } from '@countersign/api';
import { ADMIN_KEY, AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

const FILE = new URL('../../../../docs/openapi.json', import.meta.url);
const document = JSON.parse(readFileSync(FILE, 'utf8')) as Document;

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly examples?: readonly unknown[];
}
interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly headers?: object }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, { readonly headers?: object }>>;
  };
}

const { schemas, responses } = document.components;
const OPERATIONS = Object.entries(document.paths).flatMap(([path, calls]) =>
  Object.entries(calls).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
);
const resolved = (schema: Schema): Schema => schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema;

/** The path with names and ids that have the right form. */
function filled(path: string): string {
  return path.replace(/\{(webhook|delivery|event)\}/g, randomUUID()).replace(/\{\w+\}/g, 'acme');
}

/** Every example of a request body, with the operations that take it. */
const EXAMPLES = OPERATIONS.flatMap(({ path, method, security, requestBody }) =>
  Object.entries(requestBody?.content ?? {}).flatMap(([contentType, { schema }]) =>
    (resolved(schema).examples ?? []).map((example) => ({
      ...{ path: filled(path), method, contentType, example },
      key: security[0]?.['key']?.includes('verify') === true ? AGENT_KEY : ADMIN_KEY,
    })),
  ),
);

describe('the description of the API', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
  });
  afterAll(() => bed.close());

  it('is served exactly as in docs/openapi.json (npm run docs writes the file)', async () => {
    const served = await bed.call('GET', '/openapi.json');
    expect(served.status).toBe(200);
    expect(served.headers.get('content-type')).toMatch(/^application\/json/);
    expect(served.body).toEqual(document);
  });

  it('describes every route that is served, and no other', () => {
    const served = bed.adapter.routes
      .filter((route) => route.method !== 'HEAD' && !/^\/(docs|console)/.test(route.url))
      .map((route) => `${route.method} ${route.url.replace(/\/:(\w+)/g, '/{$1}')}`);
    expect(served.sort()).toEqual(OPERATIONS.map(({ method, path }) => `${method} ${path}`).sort());
  });

  it('requires a key exactly where the service does', async () => {
    for (const { path, method, security } of OPERATIONS) {
      const { status } = await bed.call(method, filled(path));
      expect({ path, method, keyless: status !== 401 }).toEqual({ path, method, keyless: security.length === 0 });
    }
  });

  it('names each operation once, and resolves every reference', () => {
    const ids = OPERATIONS.map((operation) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, kind = '', name = ''] of JSON.stringify(document).matchAll(/"#\/components\/(\w+)\/([\w-]+)"/g)) {
      expect(document.components).toHaveProperty([kind, name]);
    }
  });

  it('lists every problem type, and the request id of every answer', () => {
    expect(schemas['Problem']?.properties?.['type']?.enum).toEqual(PROBLEM_NAMES.map(typeOf));
    const answers = [
      ...OPERATIONS.flatMap((operation) => Object.values(operation.responses)),
      ...Object.values(responses),
    ];
    for (const answer of answers) if (!('$ref' in answer)) expect(answer.headers).toHaveProperty('Request-Id');
  });

  it.each(EXAMPLES)('$method $path accepts its example $example as $contentType', async (given) => {
    const headers = { 'content-type': given.contentType };
    const { status, text } = await bed.call(given.method, given.path, { key: given.key, headers, body: given.example });
    expect({ status, text: status < 300 ? '' : text }).toEqual({ status: expect.any(Number), text: '' });
  });

  it('gives every field of a policy a type and a meaning', () => {
    const untyped = ['PolicyChange', 'PolicyPatch', 'Policy', 'PolicySources'].flatMap((name) =>
      fieldsWithout(name, schemas[name] ?? {}),
    );
    expect(untyped).toEqual([]);
    expect(Object.keys(schemas['AttemptPolicyChange']?.properties ?? {})).toEqual([
      ...['perWindow', 'windowSeconds', 'lockSeconds', 'maxLockSeconds'],
    ]);
    expect(schemas['AttemptPolicyChange']?.properties?.['windowSeconds']).toEqual({
      type: 'integer',
      minimum: 1,
      maximum: 604_800,
      description: 'Length of the attempt window. In seconds. Default: `900`.',
    });
  });
});

/** The fields below a schema, followed through its references, that lack a type or a description. */
function fieldsWithout(path: string, schema: Schema): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const nested = [field, ...(field.allOf ?? []), ...(field.anyOf ?? [])].map(resolved).find((one) => one.properties);
    if (nested) return fieldsWithout(`${path}.${name}`, nested);
    return field.type !== undefined && 'description' in field ? [] : [`${path}.${name}`];
  });
}
