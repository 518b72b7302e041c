import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as someBodies from '../management/bodies.js';
import * as limitBodies from '../management/limit-bodies.js';
import { OPENAPI } from './openapi.js';
import { SCHEMAS } from './openapi-schemas.js';
import { PROBLEMS } from '../http/problems.js';
import { fieldsOf } from '../http/read-body.js';
import { RestTestBed } from '../../test/test-bed.js';

const FILE = new URL('../../../../docs/openapi.json', import.meta.url);
const bodies = { ...someBodies, ...limitBodies };
const METHODS = ['get', 'put', 'post', 'delete', 'patch'];
type Operation = { operationId: string; security: object[]; responses: Record<string, object> };
const paths = OPENAPI['paths'] as Record<string, Record<string, Operation>>;

describe('the description of the API', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
  });
  afterAll(() => bed.close());

  it('is the same in docs/openapi.json (npm run docs writes it)', async () => {
    const served = await bed.call('GET', '/openapi.json');
    expect(served.status).toBe(200);
    expect(served.headers.get('content-type')).toMatch(/^application\/json/);
    expect(JSON.parse(readFileSync(FILE, 'utf8'))).toEqual(served.body);
  });

  it('holds every route that is served, and no other', () => {
    const served = bed.adapter.routes
      .filter((route) => route.method !== 'HEAD')
      .map((route) => `${route.method} ${route.url.replace(/:(\w+)/g, '{$1}')}`);
    const described = Object.entries(paths).flatMap(([path, calls]) =>
      Object.keys(calls).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(served.sort()).toEqual(described.sort());
  });

  it('asks for a key exactly where the service does', async () => {
    for (const [path, calls] of Object.entries(paths)) {
      for (const [method, { security }] of Object.entries(calls)) {
        const { status } = await bed.call(method.toUpperCase(), path.replace(/\{\w+\}/g, 'acme'));
        expect({ path, method, keyless: status !== 401 }).toEqual({ path, method, keyless: security.length === 0 });
      }
    }
  });

  it('names each operation once, and every reference leads somewhere', () => {
    const ids = Object.values(paths).flatMap((calls) => Object.values(calls).map((call) => call.operationId));
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.values(paths).every((calls) => Object.keys(calls).every((method) => METHODS.includes(method)))).toBe(
      true,
    );
    const known = Object.keys((OPENAPI['components'] as { schemas: object }).schemas);
    for (const [, schema] of JSON.stringify(OPENAPI).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(known).toContain(schema);
    }
  });

  it('knows the closed list of problem types', () => {
    const { type } = (SCHEMAS['Problem'] as { properties: { type: { enum: string[] } } }).properties;
    expect(type.enum).toEqual(Object.keys(PROBLEMS).map((name) => `urn:countersign:problem:${name}`));
  });

  it.each([
    'TenantBody',
    'AgentBody',
    'RotateBody',
    'SubjectBody',
    'SubjectPatchBody',
    'NameAndPolicyPatchBody',
    'PinBody',
    'PinChangeBody',
    'KnowledgeBody',
    'VerificationBody',
    'IntrospectionBody',
    'OverrideBody',
    'ResetBody',
  ] as const)('gives %s the fields of its class', (name) => {
    const { properties } = SCHEMAS[name] as { properties: object };
    expect(Object.keys(properties).sort()).toEqual([...fieldsOf(bodies[name])].sort());
  });
});
