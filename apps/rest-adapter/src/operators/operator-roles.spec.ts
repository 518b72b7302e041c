import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  OPERATOR_ROLES,
  OperatorSessionRequested,
  type OperatorRoleName,
  type RoleGrant,
} from '@countersign/contracts';
import { sha256 } from '@countersign/crypto';
import { RestTestBed, sessionCookieOf } from '../../test/test-bed.js';
import { createSessionId, csrfTokenOf } from './session-cookies.js';

interface Operation {
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}
const document = JSON.parse(readFileSync(new URL('../../../../docs/openapi.json', import.meta.url), 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

/** Every operation that needs a client, with its scope. openapi.spec.ts compares the document with the served routes. */
const OPERATIONS = Object.entries(document.paths).flatMap(([template, operations]) =>
  Object.entries(operations).flatMap(([method, { security }]) => {
    const scope = security[0]?.['key']?.[0];
    return scope === undefined ? [] : [{ method: method.toUpperCase(), template, scope }];
  }),
);

/** What each role may, by the scope of the operation. */
const PERMITTED: Readonly<Record<OperatorRoleName, readonly string[]>> = {
  viewer: ['manage:read'],
  operator: ['manage:read', 'manage:operate', 'audit'],
  admin: ['manage:read', 'manage:operate', 'manage', 'audit'],
  auditor: ['audit'],
};

/**
 * What demands a recent sign-in whatever is in the request. A new key needs it, too, because the key outlasts the session. The
 * directory demands it to loosen a policy.
 */
const WITH_RECENT_SIGN_IN = [
  'DELETE /v1/tenants/{tenant}',
  'DELETE /v1/tenants/{tenant}/agents/{agent}',
  'DELETE /v1/tenants/{tenant}/keys/{keyId}',
  'DELETE /v1/tenants/{tenant}/subjects/{subject}',
  'POST /v1/tenants/{tenant}/agents',
  'POST /v1/tenants/{tenant}/agents/{agent}/disable',
  'POST /v1/tenants/{tenant}/agents/{agent}/rotate',
  'POST /v1/tenants/{tenant}/disable',
  'POST /v1/tenants/{tenant}/keys',
  'POST /v1/tenants/{tenant}/keys/{keyId}/disable',
  'POST /v1/tenants/{tenant}/keys/{keyId}/rotate',
];

const pathOf = (template: string, tenant = 'acme'): string =>
  template
    .replace('{event}', randomUUID())
    .replace('{tenant}', tenant)
    .replace(/\{\w+\}/g, 'desk');

describe('an operator', () => {
  let bed: RestTestBed;
  const sessions = new Map<string, { readonly grants: readonly RoleGrant[]; readonly age: number }>();
  /** How often a session was looked up. */
  let lookups = 0;
  /** Whether the last lookup was a use of the session. */
  let wasUse: unknown;
  beforeAll(async () => {
    bed = await RestTestBed.open();
    bed.answer = (type, fields) => {
      if (type !== OperatorSessionRequested.type) return { answer: 'found', body: { items: [], nextCursor: null } };
      lookups++;
      wasUse = fields['isUse'];
      const session = sessions.get(String(fields['idHash']));
      if (session === undefined) return { answer: 'not_found' };
      const { grants, age } = session;
      const times = { signedInAt: '2027-01-01T00:00:00Z', expiresAt: '2027-01-02T00:00:00Z' };
      const person = { issuer: null, subject: 'anna', name: 'Anna', secondsSinceAuthentication: age };
      return { answer: 'found', body: { ...person, ...times, grants } };
    };
  });
  afterAll(() => bed.close());

  /** The headers of a page with a session. */
  function sessionWith(grants: readonly RoleGrant[], age = 0): Record<string, string> {
    const id = createSessionId();
    sessions.set(sha256(id), { grants, age });
    return { cookie: sessionCookieOf(id), 'x-csrf-token': csrfTokenOf(id) };
  }

  const answersOf = (headers: Record<string, string>, tenant?: string, operations = OPERATIONS) =>
    Promise.all(
      operations.map(async ({ method, template, scope }) => {
        const { status, text, body } = await bed.call(method, pathOf(template, tenant), { headers });
        return {
          operation: `${method} ${template}`,
          scope,
          status,
          text,
          problem: String(body['type']).split(':').at(-1),
        };
      }),
    );

  it.each(OPERATOR_ROLES)(
    'with the role %s may do at every route what the role permits, and nothing else',
    async (role) => {
      const headers = sessionWith([{ role }]);
      const notFound = await bed.call('GET', '/v1/nothing', { headers });
      expect(OPERATIONS.length).toBeGreaterThan(50);
      const before = bed.commands.length;
      const answers = await answersOf(headers);
      const [admitted, refused] = [true, false].map((isAdmitted) =>
        answers.filter(({ scope }) => PERMITTED[role].includes(scope) === isAdmitted),
      );
      expect(admitted?.filter(({ status }) => [401, 403, 404].includes(status))).toEqual([]);
      expect(refused?.filter(({ status }) => status !== 403 && status !== 404)).toEqual([]);
      for (const { status, text } of refused ?? []) if (status === 404) expect(text).toBe(notFound.text);
      if (role === 'auditor') expect(bed.commands).toHaveLength(before);
    },
  );

  it.each(OPERATOR_ROLES)(
    'with the role %s for one tenant finds nothing of another tenant, byte for byte',
    async (role) => {
      const headers = sessionWith([{ role, tenants: ['acme'] }]);
      const notFound = await bed.call('GET', '/v1/nothing', { headers });
      const before = bed.commands.length;
      const ofTenant = OPERATIONS.filter(({ template }) => template.includes('{tenant}'));
      const answers = await answersOf(headers, 'umbrella', ofTenant);
      expect(answers.filter(({ status, text }) => status !== 404 || text !== notFound.text)).toEqual([]);
      expect(bed.commands).toHaveLength(before);
      const event = randomUUID();
      const ofEvents = ['events', `events/${event}`, `events/${event}/proof`, 'log', 'log/consistency', 'attacks'];
      for (const path of ofEvents) {
        const { status, text } = await bed.call('GET', `/v1/${path}?tenant=umbrella`, { headers });
        if (PERMITTED[role].includes('audit')) expect([path, status, text]).toEqual([path, 404, notFound.text]);
        else expect([path, status]).toEqual([path, 403]);
      }
      const services = await bed.call('GET', '/v1/services', { headers });
      expect([services.status, services.text]).toEqual([404, notFound.text]);
      const own = (await answersOf(headers, 'acme', ofTenant)).filter(({ scope }) => PERMITTED[role].includes(scope));
      expect(own.filter(({ status }) => [401, 403, 404].includes(status))).toEqual([]);
    },
  );

  it('with roles in several tenants gets the sum of them in each, and lists only these tenants', async () => {
    const headers = sessionWith([
      { role: 'viewer', tenants: ['acme', 'umbrella'] },
      { role: 'operator', tenants: ['umbrella'] },
    ]);
    const unlock = (tenant: string) =>
      bed.call('POST', `/v1/tenants/${tenant}/subjects/c-1/unlock`, { headers, body: { reason: 'request' } });
    expect((await unlock('acme')).status).toBe(403);
    expect((await unlock('umbrella')).status).toBe(204);
    expect(bed.commands.at(-1)?.fields['actor']).toEqual({
      ...{ kind: 'operator', id: 'anna', name: 'Anna', roles: ['viewer', 'operator'], sourceAddress: '127.0.0.1' },
    });
    expect((await bed.call('GET', '/v1/tenants', { headers })).status).toBe(200);
    expect(bed.commands.at(-1)?.fields['tenants']).toEqual(['acme', 'umbrella']);
  });

  it('with a role in several tenants reads the log and single events by naming one of them', async () => {
    const headers = sessionWith([{ role: 'auditor', tenants: ['acme', 'umbrella'] }]);
    const event = randomUUID();
    for (const path of ['events', `events/${event}`, `events/${event}/proof`, 'log', 'log/consistency?from=1&to=2']) {
      const of = (tenant: string) => `/v1/${path}${path.includes('?') ? '&' : '?'}tenant=${tenant}`;
      const answers = [`/v1/${path}`, of('acme'), of('other')].map((url) => bed.call('GET', url, { headers }));
      // The test bed has no audit service.
      expect([path, ...(await Promise.all(answers)).map(({ status }) => status)]).toEqual([path, 422, 503, 404]);
    }
  });

  it('must have signed in recently to erase, disable, delete, and create agents and keys', async () => {
    const headers = sessionWith([{ role: 'admin' }], 301);
    const refused = (await answersOf(headers)).filter(({ problem }) => problem === 'recent-sign-in-required');
    expect(refused.map(({ operation }) => operation).sort()).toEqual(WITH_RECENT_SIGN_IN);
    const recent = await answersOf(sessionWith([{ role: 'admin' }], 299));
    expect(recent.filter(({ problem }) => problem === 'recent-sign-in-required')).toEqual([]);
  });

  it('uses the session with every request, except one in the background and one that the page of another site caused', async () => {
    const headers = sessionWith([{ role: 'admin' }]);
    const marks = [
      {},
      { 'x-background-request': '1' },
      { 'x-background-request': '0' },
      { 'x-background-request': '' },
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site' },
    ];
    const paths = ['/v1/tenants', '/console/session'];
    for (const path of paths) {
      const uses: unknown[] = [];
      for (const mark of marks) {
        expect((await bed.call('GET', path, { headers: { ...headers, ...mark } })).status).toBe(200);
        uses.push(wasUse);
      }
      expect([path, uses]).toEqual([path, [true, false, true, true, true, true, false, false]]);
    }
  });

  it('changes nothing without the token of the session, at any route', async () => {
    const { cookie = '' } = sessionWith([{ role: 'admin' }]);
    const before = bed.commands.length;
    const changes = OPERATIONS.filter(({ method }) => method !== 'GET');
    const tokens = [{}, { 'x-csrf-token': csrfTokenOf(createSessionId()) }];
    for (const token of tokens) {
      const answers = await answersOf({ cookie, ...token }, 'acme', changes);
      expect(answers.filter(({ problem }) => problem !== 'cross-site-request')).toEqual([]);
    }
    expect(bed.commands).toHaveLength(before);
  });

  it('with a forged cookie causes no request to the directory', async () => {
    const before = lookups;
    const forged = [createSessionId(), `${createSessionId()}.${'0'.repeat(32)}`];
    for (const value of forged) {
      expect((await bed.call('GET', '/v1/tenants', { headers: { cookie: `countersign=${value}` } })).status).toBe(401);
    }
    expect(lookups).toBe(before);
  });

  it('is not authenticated by the id of a session that has ended, nor by two cookies', async () => {
    const { cookie = '' } = sessionWith([{ role: 'admin' }]);
    const unknown = sessionCookieOf(createSessionId());
    const cookies = [unknown, 'countersign=short', `${cookie}; ${unknown}`, `__Host-${cookie}`, ''];
    const answers = await Promise.all(
      cookies.map((sent) => bed.call('GET', '/v1/tenants', { headers: { cookie: sent } })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(401));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect((await bed.call('GET', '/v1/tenants', { headers: { cookie } })).status).toBe(200);
  });
});
