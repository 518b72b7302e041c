import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Authenticator, Problem } from '@countersign/api';
import { ApiKeyPublished, message } from '@countersign/contracts';
import { createApiKey, Secret } from '@countersign/crypto';
import { eventually, ManualClock } from '@countersign/testing';
import { ADMIN_KEY, AGENT_KEY, API_KEYS, RestTestBed } from '../../test/test-bed.js';

interface Operation {
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}
const document = JSON.parse(readFileSync(new URL('../../../../docs/openapi.json', import.meta.url), 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

/** Every operation that needs a key, with its scope. openapi.spec.ts compares the document with the served routes. */
const OPERATIONS = Object.entries(document.paths).flatMap(([template, operations]) =>
  Object.entries(operations).flatMap(([method, { security }]) => {
    const scope = security[0]?.['key']?.[0];
    const path = template.replace('{event}', randomUUID()).replace(/\{\w+\}/g, 'acme');
    return scope === undefined ? [] : [{ method: method.toUpperCase(), template, path, scope }];
  }),
);

/** The scopes of each client. */
const CLIENTS = {
  administrator: { key: ADMIN_KEY, scopes: ['manage', 'audit'] },
  'agent with its own key': { key: AGENT_KEY, scopes: ['verify'] },
  'key with verify': { key: API_KEYS.verify, scopes: ['verify'] },
  'key with manage': { key: API_KEYS.manage, scopes: ['manage'] },
  'key with manage:read': { key: API_KEYS['manage:read'], scopes: ['manage:read'] },
  'key with audit': { key: API_KEYS.audit, scopes: ['audit'] },
  'key with verify and manage': { key: API_KEYS['verify manage'], scopes: ['verify', 'manage'] },
} as const satisfies Record<string, { key: string; scopes: readonly string[] }>;
type ClientName = keyof typeof CLIENTS;

/** The status of a refusal; undefined: the request is admitted. */
function refusalOf(client: ClientName, scope: string, template: string): number | undefined {
  const scopes: readonly string[] = CLIENTS[client].scopes;
  if (scope === 'verify' || scope === 'audit') return scopes.includes(scope) ? undefined : 403;
  // What belongs to no tenant is managed by the administrator alone.
  if (client !== 'administrator' && !template.includes('{tenant}')) return 404;
  if (scopes.includes('manage')) return undefined;
  if (!scopes.includes('manage:read')) return 404;
  return scope === 'manage:read' ? undefined : 403;
}

describe('the scopes of keys', () => {
  let bed: RestTestBed;
  let notFound: string;
  beforeAll(async () => {
    bed = await RestTestBed.open();
    bed.answer = () => ({ answer: 'found', body: { items: [], nextCursor: null } });
    notFound = (await bed.call('GET', '/v1/nothing', { key: ADMIN_KEY })).text;
  });
  afterAll(() => bed.close());

  it('cover every route: reading needs manage:read, audit or verify, and each change manage or verify', () => {
    expect(OPERATIONS.length).toBeGreaterThan(25);
    const unusual = OPERATIONS.filter(
      ({ method, scope }) =>
        scope !== 'verify' && scope !== 'audit' && (scope === 'manage:read') !== (method === 'GET'),
    );
    // A search with the number in its body.
    expect(unusual.map(({ template }) => template)).toEqual(['/v1/tenants/{tenant}/subjects:search']);
  });

  it.each(
    OPERATIONS.flatMap((operation) =>
      (Object.keys(CLIENTS) as ClientName[]).map((client) => ({
        ...{ ...operation, client, refusal: refusalOf(client, operation.scope, operation.template) },
      })),
    ),
  )('$method $template with the $client: $refusal', async ({ method, path, client, refusal }) => {
    const published = bed.commands.length;
    const { status, text } = await bed.call(method, path, { key: CLIENTS[client].key });
    if (refusal === undefined) expect([401, 403, 404]).not.toContain(status);
    else expect({ status, published: bed.commands.length }).toEqual({ status: refusal, published });
    if (refusal === 404) expect(text).toBe(notFound);
  });

  it.each(OPERATIONS.filter(({ template }) => template.includes('{tenant}')))(
    '$method $template of another tenant is not found, byte for byte',
    async ({ method, path }) => {
      const published = bed.commands.length;
      const answer = await bed.call(method, path, { key: API_KEYS.other });
      const missing = await bed.call(method, '/v1/nothing', { key: API_KEYS.other });
      expect([answer.status, answer.text]).toEqual([404, missing.text]);
      expect(namesOf(answer.headers)).toEqual(namesOf(missing.headers));
      expect(bed.commands).toHaveLength(published);
    },
  );

  it('let a key with manage change its own tenant, and name the key as the actor', async () => {
    const body = { name: 'Umbrella' };
    expect((await bed.call('PUT', '/v1/tenants/umbrella', { key: API_KEYS.other, body })).status).toBe(200);
    expect(bed.commands.at(-1)?.fields['actor']).toEqual({
      ...{ kind: 'key', id: 'key_other', sourceAddress: '127.0.0.1' },
    });
  });

  it('let the event name the address that a trusted proxy states, and no other one', async () => {
    const body = { name: 'Umbrella' };
    const send = (from: RestTestBed, address: string) =>
      from.call('PUT', '/v1/tenants/umbrella', {
        ...{ key: API_KEYS.other, body, headers: { 'x-forwarded-for': address } },
      });
    const proxied = await RestTestBed.open({ TRUSTED_PROXIES: '127.0.0.1' });
    try {
      const seen = async (from: RestTestBed, address: string): Promise<unknown> => {
        await send(from, address);
        return (from.commands.at(-1)?.fields['actor'] as Record<string, unknown>)['sourceAddress'];
      };
      expect(await seen(proxied, '198.51.100.1, 203.0.113.7')).toBe('203.0.113.7');
      expect(await seen(proxied, 'no/address')).toBe('127.0.0.1');
      expect(await seen(bed, '203.0.113.7')).toBe('127.0.0.1');
    } finally {
      await proxied.close();
    }
  });

  it('are refused with the same bytes whatever is wrong with the key', async () => {
    const mistyped = `${API_KEYS.manage.slice(0, -1)}${API_KEYS.manage.endsWith('0') ? '1' : '0'}`;
    const { expired, rotated, agentless } = API_KEYS;
    const answers = await Promise.all(
      [createApiKey(), mistyped, expired, rotated, agentless, 'cs_unknown', 'csk_'].map((key) =>
        bed.call('GET', '/v1/tenants/acme', { key }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(7).fill(401));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(new Set(answers.map(({ headers }) => namesOf(headers))).size).toBe(1);
  });

  it('are shown in the log by the id of the key, and its use is reported to the directory once', async () => {
    bed.uses.length = 0;
    for (let count = 0; count < 3; count++) await bed.call('GET', '/v1/tenants/acme', { key: API_KEYS.audit });
    await eventually('the log', () => bed.log.includes('"actor":"key_audit","tenant":"acme"'));
    expect(bed.uses.filter((id) => id === 'key_audit').length).toBeLessThanOrEqual(1);
    expect(bed.log + bed.bytes).not.toContain(API_KEYS.audit);
  });
});

describe('the authentication of a key', () => {
  const asked: string[] = [];
  const used: string[] = [];
  const key = createApiKey();
  const found = message(ApiKeyPublished, { tenant: 'acme', keyId: 'key-1', scopes: ['manage'], hashes: [] });
  const authenticator = new Authenticator(
    new Secret(ADMIN_KEY),
    {
      clientByKey: (text) => {
        asked.push(text);
        return text === key ? found : undefined;
      },
      agent: () => undefined,
    },
    { used: ({ keyId }) => used.push(keyId) },
    new ManualClock(),
  );

  it('refuses a mistyped key without a look-up', () => {
    const mistyped = key.slice(0, 10) + (key[10] === 'x' ? 'y' : 'x') + key.slice(11);
    for (const text of [mistyped, 'csk_', key.slice(0, -1)]) {
      expect(() => authenticator.authenticate(`Bearer ${text}`)).toThrow(new Problem('unauthorized'));
    }
    expect(asked).toEqual([]);
    expect(authenticator.authenticate(`Bearer ${key}`)).toMatchObject({ tenant: 'acme', scopes: ['manage'] });
    expect([asked, used]).toEqual([[key], ['key-1']]);
  });
});

function namesOf(headers: Headers): string {
  return [...headers.keys()].sort().join(' ');
}
