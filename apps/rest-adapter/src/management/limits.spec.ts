import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KeyedHash, Secret } from '@countersign/crypto';
import { ADMIN_KEY, AGENT_KEY, OTHER_AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

const hash = new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url')));
const LIMITS = '/v1/tenants/acme/limits';
const OVERRIDES = '/v1/tenants/acme/overrides';
const UUID = /^[0-9a-f-]{36}$/;
/** The names of one number as a caller and as a subject. */
const PHONE_TARGETS = [
  hash.callerKey('acme', 'phone', '+12025550147'),
  `phone:${hash.hash('phone', 'acme', '+12025550147')}`,
];

let bed: RestTestBed;
beforeAll(async () => {
  bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '2000' });
});
afterAll(() => bed.close());
beforeEach(() => {
  bed.commands.length = 0;
});

const send = (path: string, body: unknown, key = ADMIN_KEY) =>
  bed.call('POST', `/v1/tenants/acme/${path}`, { key, body });
const override = {
  dimension: 'caller',
  phone: '+1 (202) 555-0147',
  limit: 50,
  periodSeconds: 60,
  reason: 'a call centre behind one number',
  expiresAt: '2099-01-31T12:00:00Z',
};

describe('the limits of a tenant', () => {
  it('names a caller by the same keyed hash as the adapters, and publishes no number', async () => {
    bed.answer = () => ({ answer: 'created', body: { dimension: 'caller' } });
    expect(await send('overrides', override)).toMatchObject({ status: 201, body: { dimension: 'caller' } });
    expect(bed.commands.at(-1)?.fields).toMatchObject({
      tenant: 'acme',
      of: { dimension: 'caller', target: hash.callerKey('acme', 'phone', '+12025550147') },
      limit: { limit: 50, periodSeconds: 60 },
      reason: override.reason,
    });
    expect(bed.bytes).not.toContain('2025550147');
  });

  it.each([
    [{ dimension: 'subject', subject: 'c-1' }, 'id:c-1'],
    [{ dimension: 'subject', phone: '+12025550147' }, `phone:${hash.hash('phone', 'acme', '+12025550147')}`],
    [{ dimension: 'subjectsPerCaller', phone: '+12025550147' }, hash.callerKey('acme', 'phone', '+12025550147')],
    [{ dimension: 'caller', callerKey: 'a'.repeat(64) }, 'a'.repeat(64)],
    [{ dimension: 'call', callId: 'call-1' }, 'call-1'],
    [{ dimension: 'agent', agent: 'desk' }, 'desk'],
    [{ dimension: 'tenant' }, undefined],
  ])('resets the counters of %j', async (of, target) => {
    bed.answer = () => ({ answer: 'updated' });
    const reason = '  ticket 4711: requested by the owner ';
    expect((await send('limits/reset', { ...of, reason })).status).toBe(204);
    expect(bed.commands.at(-1)?.fields['reason']).toBe(reason);
    expect(bed.commands.at(-1)?.fields['of']).toMatchObject({ dimension: of.dimension, ...(target ? { target } : {}) });
  });

  it.each([
    ['overrides', { ...override, dimension: 'line' }, 'dimension'],
    ['overrides', { ...override, phone: undefined, subject: 'c-1' }, 'subject'],
    ['overrides', { ...override, agent: 'desk' }, 'agent'],
    ['overrides', { ...override, phone: '12' }, 'phone'],
    ['overrides', { ...override, phone: undefined, callerKey: '2025550147' }, 'callerKey'],
    ['overrides', { ...override, callerKey: 'a'.repeat(64) }, 'phone'],
    ['overrides', { ...override, expiresAt: 'tomorrow' }, 'expiresAt'],
    ...[
      ...['2027-W05-1T12:00:00Z', '2027-01T12:00:00Z', '2027-031T12:00:00Z', '2027-02-30T12:00:00Z'],
      ...['2027-01-31T24:00:00Z', '2027-01-31T12:00:00', '2027-01-31', '9999-12-31T23:59:59-12:00', 20270131],
      ...['2027-01-31T12:00:00+99:00', '0000-01-01T00:00:00Z', '2027-01-31T12:00:60Z', ''],
    ].map((expiresAt): [string, object, string] => ['overrides', { ...override, expiresAt }, 'expiresAt']),
    ['overrides', { ...override, limit: 0 }, 'limit'],
    ['overrides', { ...override, reason: '' }, 'reason'],
    ['limits/reset', { dimension: 'caller', reason: 'x' }, 'phone'],
    ['limits/reset', { dimension: 'tenant' }, 'reason'],
  ])('refuses a broken rule with the field and the rule: %s %#', async (path, body, field) => {
    const { status, body: problem } = await send(path, body);
    expect(status).toBe(422);
    expect((problem['violations'] as { field: string }[])[0]).toMatchObject({ field });
    expect(bed.commands).toHaveLength(0);
  });

  it.each([
    ['2099-01-31T12:00Z', '2099-01-31T12:00:00.000Z'],
    ['2099-01-31T23:30:00.5-01:30', '2099-02-01T01:00:00.500Z'],
    ['2096-02-29T12:00:00+14:00', '2096-02-28T22:00:00.000Z'],
  ])('publishes the time %s in one spelling', async (expiresAt, sent) => {
    bed.answer = () => ({ answer: 'created', body: {} });
    expect((await send('overrides', { ...override, expiresAt })).status).toBe(201);
    expect(bed.commands.at(-1)?.fields['expiresAt']).toBe(sent);
  });

  it('creates an override with an id of its own, in shadow mode if it is sent', async () => {
    bed.answer = () => ({ answer: 'created', body: {} });
    await send('overrides', override);
    const first = bed.commands.at(-1)?.fields;
    expect(first).toMatchObject({ overrideId: expect.stringMatching(UUID), limit: { limit: 50, periodSeconds: 60 } });
    await send('overrides', { ...override, shadow: true });
    const second = bed.commands.at(-1)?.fields;
    expect(second?.['limit']).toEqual({ limit: 50, periodSeconds: 60, shadow: true });
    expect(second?.['overrideId']).not.toBe(first?.['overrideId']);
    expect((await send('overrides', { ...override, shadow: 'yes' })).status).toBe(422);
  });

  it('reads and deletes an override by its id', async () => {
    const id = '0190f3a0-7d5c-7e54-9f3a-0a1b2c3d4e5f';
    bed.answer = () => ({ answer: 'found', body: { id } });
    expect(await bed.call('GET', `${OVERRIDES}/${id}`, { key: ADMIN_KEY })).toMatchObject({
      status: 200,
      body: { id },
    });
    expect(bed.commands.at(-1)).toMatchObject({ type: 'limit-override.requested.v1', fields: { overrideId: id } });
    bed.answer = () => ({ answer: 'updated' });
    expect((await bed.call('DELETE', `${OVERRIDES}/${id}`, { key: ADMIN_KEY })).status).toBe(204);
    expect(bed.commands.at(-1)).toMatchObject({
      type: 'limit-override.delete-requested.v1',
      fields: { overrideId: id },
    });
    bed.answer = () => ({ answer: 'not_found' });
    expect((await bed.call('DELETE', `${OVERRIDES}/${id}`, { key: ADMIN_KEY })).status).toBe(404);
  });

  // The second has no variant of RFC 9562: its command would be refused on the bus, and get no answer.
  it.each(['one', '376acfe0-96ab-20b0-4a28-bc21f8abea50', '376acfe0-96ab-90b0-8a28-bc21f8abea50'])(
    'refuses the id %s, which no override can have, with 422',
    async (id) => {
      for (const method of ['GET', 'DELETE'] as const) {
        const { status, body } = await bed.call(method, `${OVERRIDES}/${id}`, { key: ADMIN_KEY });
        expect([status, body['violations']]).toMatchObject([422, [{ field: 'override' }]]);
      }
      expect((await bed.call('GET', `${OVERRIDES}?cursor=${id}`, { key: ADMIN_KEY })).status).toBe(422);
      expect(bed.commands).toEqual([]);
    },
  );

  const phone = encodeURIComponent('+1 202 555 0147');
  it.each([
    ['', { limit: 50 }],
    [
      '?limit=7&cursor=0190f3a0-7d5c-7e54-9f3a-0a1b2c3d4e5f',
      { limit: 7, cursor: '0190f3a0-7d5c-7e54-9f3a-0a1b2c3d4e5f' },
    ],
    ['?dimension=tenant', { limit: 50, dimensions: ['tenant'] }],
    ['?agent=desk', { limit: 50, dimensions: ['agent'], targets: ['desk'] }],
    ['?callId=call-1', { limit: 50, dimensions: ['call'], targets: ['call-1'] }],
    ['?subject=c-1', { limit: 50, dimensions: ['subject'], targets: ['id:c-1'] }],
    [`?phone=${phone}`, { limit: 50, dimensions: ['caller', 'subject', 'subjectsPerCaller'], targets: PHONE_TARGETS }],
    [`?phone=${phone}&dimension=caller`, { limit: 50, dimensions: ['caller'], targets: PHONE_TARGETS }],
  ])('lists overrides with the query %j, and publishes no number', async (query, expected) => {
    bed.answer = () => ({ answer: 'found', body: { items: [], nextCursor: null } });
    const { status, body } = await bed.call('GET', `${OVERRIDES}${query}`, { key: ADMIN_KEY });
    expect([status, body]).toEqual([200, { items: [], nextCursor: null }]);
    const { commandId: _, actor: __, ...fields } = bed.commands.at(-1)?.fields ?? {};
    expect(fields).toEqual({ tenant: 'acme', ...expected });
    expect(bed.bytes + bed.log).not.toContain('5550147');
    expect(bed.bytes + bed.log).not.toContain('555 0147');
  });

  it.each([
    ...[
      ['limit=0', 'limit'],
      ['cursor=a', 'cursor'],
      ['dimension=line', 'dimension'],
      ['phone=12', 'phone'],
    ],
    ...[
      ['agent=desk&callId=call-1', 'agent'],
      ['caller=1', 'caller'],
    ],
  ])('refuses the list with the query %s with the field %s', async (query, field) => {
    const { status, body } = await bed.call('GET', `${OVERRIDES}?${query}`, { key: ADMIN_KEY });
    expect([status, body['violations']]).toMatchObject([422, [{ field }]]);
    expect(bed.commands).toEqual([]);
  });

  it('returns the limits to the administrator, and 404 to an agent', async () => {
    bed.answer = () => ({ answer: 'found', body: { stricterSeconds: 0 } });
    const read = (key: string) => bed.call('GET', LIMITS, { key });
    expect(await read(ADMIN_KEY)).toMatchObject({ status: 200, body: { stricterSeconds: 0 } });
    expect((await read(AGENT_KEY)).status).toBe(404);
  });
});

describe('the quotas of the client', () => {
  const attempt = (key = AGENT_KEY) =>
    bed.call('POST', '/v1/verifications', { key, body: { method: 'pin', subject: 'c-1', pin: '4821' } });
  const quota = (remaining: number) => [
    { name: 'agent' as const, limit: 600, periodSeconds: 60, remaining, resetSeconds: 7 },
    { name: 'tenant' as const, limit: 6000, periodSeconds: 60, remaining: 5000, resetSeconds: 9 },
  ];

  it('are shown in the RateLimit headers of an answer', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'verified', quotas: quota(599) });
    const { status, headers, body } = await attempt();
    expect(status).toBe(200);
    expect(headers.get('ratelimit-policy')).toBe('"agent";q=600;w=60, "tenant";q=6000;w=60');
    expect(headers.get('ratelimit')).toBe('"agent";r=599;t=7, "tenant";r=5000;t=9');
    expect(body).not.toHaveProperty('quotas');
  });

  it('lead to 429 with Retry-After when they are exhausted', async () => {
    bed.decide = () => ({ outcome: 'rate_limited', retryAfterSeconds: 7, quotas: quota(0).slice(0, 1) });
    const { status, headers, body } = await attempt();
    expect(status).toBe(429);
    expect(body['type']).toBe('urn:countersign:problem:quota-exceeded');
    expect(headers.get('retry-after')).toBe('7');
    expect(headers.get('ratelimit')).toBe('"agent";r=0;t=7');
  });

  it('are absent when the limit of a caller or a subject refuses, which is an outcome', async () => {
    bed.decide = () => ({ outcome: 'rate_limited', retryAfterSeconds: 40 });
    const { status, headers, body } = await attempt();
    expect({ status, body }).toEqual({
      status: 200,
      body: { outcome: 'rate_limited', level: 'none', retryAfterSeconds: 40 },
    });
    expect(headers.get('ratelimit')).toBeNull();
    // The policy's limit may not be the one in force, so no limit is shown.
    expect(headers.get('ratelimit-policy')).toBeNull();
    expect(headers.get('retry-after')).toBeNull();
  });

  it('keep refusing until their end without another command', async () => {
    const limitedBy = { dimension: 'agent', retryAfterMs: 7_000 } as const;
    bed.decide = () => ({ outcome: 'rate_limited', retryAfterSeconds: 7, quotas: quota(0).slice(0, 1), limitedBy });
    await attempt(OTHER_AGENT_KEY);
    const published = bed.commands.length;
    const { status, headers } = await attempt(OTHER_AGENT_KEY);
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toMatch(/^[67]$/);
    expect(headers.get('ratelimit')).toMatch(/^"agent";r=0;t=[67]$/);
    expect(bed.commands).toHaveLength(published);
  });
});
