import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sha256 } from '@countersign/crypto';
import { ADMIN_KEY, AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

const TENANT = '/v1/tenants/acme';
const UUID = '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10';
const SUBJECT = `${TENANT}/subjects/c-1`;

/** Every management route with a body that it takes, the status of success, and the command that it becomes. */
const ROUTES: [method: string, path: string, body: unknown, status: number, type: string][] = [
  ['PUT', TENANT, { name: 'Acme', policy: { greetByName: false } }, 200, 'tenant.change-requested.v1'],
  ['POST', `${TENANT}/agents`, { agent: 'desk', name: 'Desk' }, 201, 'agent.create-requested.v1'],
  ['GET', `${TENANT}/policy`, undefined, 200, 'policy.requested.v1'],
  ['PUT', `${TENANT}/policy`, { greetByName: false }, 200, 'policy.change-requested.v1'],
  ['PATCH', `${TENANT}/policy`, { greetByName: null }, 200, 'policy.change-requested.v1'],
  ['GET', `${TENANT}/agents/desk/policy`, undefined, 200, 'policy.requested.v1'],
  ['PUT', `${TENANT}/agents/desk/policy`, { greetByName: false }, 200, 'policy.change-requested.v1'],
  ['PATCH', TENANT, { name: 'Acme', policy: { greetByName: null } }, 200, 'tenant.change-requested.v1'],
  ['PATCH', `${TENANT}/agents/desk`, { name: 'Desk', policy: null }, 200, 'agent.change-requested.v1'],
  ['PATCH', `${TENANT}/agents/desk/policy`, { texts: { en: null } }, 200, 'policy.change-requested.v1'],
  ['GET', TENANT, undefined, 200, 'tenant.requested.v1'],
  ['POST', `${TENANT}/disable`, undefined, 200, 'tenant.state-change-requested.v1'],
  ['DELETE', TENANT, undefined, 202, 'tenant.delete-requested.v1'],
  ['POST', `${TENANT}/enable`, undefined, 200, 'tenant.state-change-requested.v1'],
  ['GET', `${TENANT}/agents?limit=7&cursor=desk&state=disabled`, undefined, 200, 'agent-list.requested.v1'],
  ['GET', `${TENANT}/agents/desk`, undefined, 200, 'agent.requested.v1'],
  ['POST', `${TENANT}/agents/desk/disable`, undefined, 200, 'agent.state-change-requested.v1'],
  ['POST', `${TENANT}/agents/desk/enable`, undefined, 200, 'agent.state-change-requested.v1'],
  ['DELETE', `${TENANT}/agents/desk`, undefined, 204, 'agent.delete-requested.v1'],
  ['GET', `${TENANT}/overrides?limit=7&dimension=call`, undefined, 200, 'limit-override-list.requested.v1'],
  ['PATCH', SUBJECT, { displayName: null }, 200, 'subject.change-requested.v1'],
  ['POST', `${TENANT}/agents/desk/rotate`, { graceSeconds: 60 }, 200, 'agent.rotate-requested.v1'],
  [
    'PUT',
    SUBJECT,
    { phones: ['+12025550147'], displayName: 'Ada', locale: 'en-US' },
    200,
    'subject.change-requested.v1',
  ],
  ['GET', SUBJECT, undefined, 200, 'subject.state-requested.v1'],
  ['PUT', `${SUBJECT}/pin`, { pin: '4821' }, 204, 'pin.change-requested.v1'],
  ['PUT', `${SUBJECT}/knowledge`, { answers: { zip_code: '94103' } }, 204, 'knowledge.change-requested.v1'],
  ['GET', `${TENANT}/subjects?limit=7&cursor=c-1&credential=locked`, undefined, 200, 'subject-list.requested.v1'],
  ['DELETE', `${SUBJECT}/pin`, undefined, 204, 'credential.remove-requested.v1'],
  ['DELETE', `${SUBJECT}/knowledge`, undefined, 204, 'credential.remove-requested.v1'],
  ['DELETE', SUBJECT, undefined, 204, 'subject.erase-requested.v1'],
  ['POST', `${SUBJECT}/unlock`, { reason: 'called back' }, 204, 'subject.unlock-requested.v1'],
];

describe('management', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.answer = () => ({ answer: 'updated', body: { state: 'as it is' } });
  });

  const call = (method: string, path: string, body?: unknown, key = ADMIN_KEY) => bed.call(method, path, { key, body });
  const fields = (): Record<string, unknown> => bed.commands.at(-1)?.fields ?? {};

  it.each(ROUTES)('%s %s publishes its command', async (method, path, body, status, type) => {
    expect((await call(method, path, body)).status).toBe(status);
    expect(bed.commands.map((command) => command.type)).toEqual([type]);
    expect(fields()).toMatchObject({
      ...{ tenant: 'acme', commandId: expect.stringMatching(/^rest-/) },
      actor: { kind: 'administrator', sourceAddress: '127.0.0.1' },
    });
  });

  it.each(ROUTES)("%s %s with an agent's key gets the bytes of an unknown path", async (method, path, body) => {
    const hidden = await call(method, path, body, AGENT_KEY);
    const missing = await call('GET', '/v1/nothing', undefined, AGENT_KEY);
    expect(hidden.status).toBe(404);
    expect(hidden.text).toBe(missing.text);
    expect(bed.commands).toEqual([]);
  });

  it.each(ROUTES)('%s %s answers 401 without a key', async (method, path, body) => {
    const answered = await bed.call(method, path, { body });
    expect(answered.status).toBe(401);
    expect(answered.headers.get('www-authenticate')).toBe('Bearer');
    expect(bed.commands).toEqual([]);
  });

  it.each(
    ROUTES.flatMap(([method, path, body]) =>
      (
        [
          ['not_found', 404, 'not-found'],
          ['taken', 409, 'conflict'],
          ['not_disabled', 409, 'not-disabled'],
          ['deleting', 409, 'tenant-deleting'],
          ['invalid', 422, 'invalid-request'],
          ['unavailable', 503, 'unavailable'],
        ] as const
      ).map(([answer, status, type]) => [method, path, answer, status, type, body] as const),
    ),
  )('%s %s maps the answer %s to %i %s', async (method, path, answer, status, type, body) => {
    const violations = [{ field: 'policy.attempts.perWindow', rule: 'must be at most 3' }];
    bed.answer = () => ({ answer, ...(answer === 'invalid' ? { violations } : {}) });
    const answered = await call(method, path, body);
    expect(answered.status).toBe(status);
    expect(answered.headers.get('content-type')).toContain('application/problem+json');
    expect(answered.body['type']).toBe(`urn:countersign:problem:${type}`);
    expect(answered.body['violations']).toEqual(answer === 'invalid' ? violations : undefined);
    expect(answered.text).not.toMatch(/password|apiKey/);
  });

  it.each([
    ['PUT', TENANT, { name: 'Acme' }],
    ['PUT', SUBJECT, {}],
  ])('%s %s answers 201 with the state when the resource was created', async (method, path, body) => {
    bed.answer = () => ({ answer: 'created', body: { state: 'new' } });
    const answered = await call(method, path, body);
    expect(answered.status).toBe(201);
    expect(answered.body).toEqual({ state: 'new' });
  });

  it('returns the state of a subject as verification replied', async () => {
    bed.answer = () => ({ answer: 'found', body: { subject: 'c-1', failures: 2 } });
    expect((await call('GET', SUBJECT)).body).toEqual({ subject: 'c-1', failures: 2 });
  });

  it('lists tenants and agents with a limit of 50, and publishes the filters', async () => {
    bed.answer = () => ({ answer: 'found', body: { items: [], nextCursor: null } });
    expect((await call('GET', '/v1/tenants')).body).toEqual({ items: [], nextCursor: null });
    expect(fields()).toEqual({ commandId: expect.any(String), actor: expect.anything(), limit: 50 });
    await call('GET', '/v1/tenants?limit=200&cursor=acme&state=enabled');
    expect(fields()).toMatchObject({ limit: 200, cursor: 'acme', state: 'enabled' });
    await call('GET', `${TENANT}/agents?cursor=desk`);
    expect(fields()).toMatchObject({ tenant: 'acme', limit: 50, cursor: 'desk' });
  });

  it.each(['limit=0', 'limit=201', 'limit=1e2', 'limit=1&limit=2', 'cursor=A', 'cursor=', 'state=gone', 'page=2'])(
    'refuses a list with the query %s with the field and the rule',
    async (query) => {
      for (const path of ['/v1/tenants', `${TENANT}/agents`]) {
        const { status, body } = await call('GET', `${path}?${query}`);
        expect(status).toBe(422);
        expect(body['violations']).toMatchObject([{ field: query.split('=')[0] }]);
      }
      expect(bed.commands).toEqual([]);
    },
  );

  it('creates the secrets of an agent and publishes only their hashes', async () => {
    bed.answer = () => ({ answer: 'created' });
    const { body } = await call('POST', `${TENANT}/agents`, { agent: 'desk' });
    expect(body).toEqual({
      agent: 'desk',
      username: 'desk',
      password: expect.stringMatching(/^[\w-]{43}$/),
      apiKey: expect.stringMatching(/^csk_[0-9A-Za-z]{49}$/),
    });
    expect(fields()).toMatchObject({
      passwordHash: sha256(String(body['password'])),
      apiKeyHash: sha256(String(body['apiKey'])),
    });
    expect(bed.bytes).not.toContain(String(body['password']));
    expect(bed.bytes).not.toContain(String(body['apiKey']));
  });

  it('rotates with one day of grace by default, also without a body', async () => {
    const first = await call('POST', `${TENANT}/agents/desk/rotate`);
    expect(first.status).toBe(200);
    expect(fields()).toMatchObject({ agent: 'desk', graceSeconds: 86_400 });
    const second = await call('POST', `${TENANT}/agents/desk/rotate`, {});
    expect(second.body['apiKey']).not.toBe(first.body['apiKey']);
  });

  it('encrypts the fields of a subject that were sent, in normal form', async () => {
    await call('PUT', SUBJECT, { phones: ['+1 202 555 0147', '+12025550147', '+4930123456'] });
    expect(await bed.unsealed()).toEqual({ phones: ['+12025550147', '+4930123456'] });
    await call('PUT', SUBJECT, { displayName: 'Ada', locale: 'en-US' });
    expect(await bed.unsealed()).toEqual({ displayName: 'Ada', locale: 'en-US' });
    await call('PUT', SUBJECT, { phones: [] });
    expect(await bed.unsealed()).toEqual({ phones: [] });
    const sent = JSON.parse(JSON.stringify(fields())) as object;
    expect(Object.keys(sent).sort()).toEqual(['actor', 'commandId', 'mustExist', 'sealed', 'subject', 'tenant']);
    expect(fields()['mustExist']).toBe(false);
  });

  it('encrypts a PIN for its command and tenant', async () => {
    expect((await call('PUT', `${SUBJECT}/pin`, { pin: '48217390' })).text).toBe('');
    expect(await bed.unsealed()).toEqual({ pin: '48217390' });
    await call('PUT', `${SUBJECT}/pin`, { pin: '48217390', forceChange: true });
    expect(await bed.unsealed()).toEqual({ pin: '48217390', forceChange: true });
  });

  it('encrypts answers for their command and tenant, as they were sent', async () => {
    const answers = { last_four_ssn: '67 89', zip_code: '94103-1234' };
    expect((await call('PUT', `${SUBJECT}/knowledge`, { answers })).text).toBe('');
    expect(await bed.unsealed()).toEqual({ answers });
    const sent = Object.keys(fields()).filter((name) => fields()[name] !== undefined);
    expect(sent.sort()).toEqual(['actor', 'commandId', 'sealed', 'subject', 'tenant']);
  });

  it.each(['unlock', 'disable'])('publishes the reason for %s as it was given, and does not log it', async (action) => {
    const reason = ' ticket 4711: 呼び返した ';
    await call('POST', `${action === 'unlock' ? SUBJECT : TENANT}/${action}`, { reason });
    expect(fields()['reason']).toBe(reason);
    expect(bed.log).not.toContain('呼び返した');
  });

  it.each([
    '',
    '/agents/desk',
    '/keys/key_1',
    `/overrides/${UUID}`,
    `/webhooks/${UUID}`,
    '/subjects/a/pin',
    '/subjects/a',
  ])('publishes the reason for DELETE of %s with the actor as it was given, and does not log it', async (path) => {
    const reason = ' ticket 4711 & more: 呼び返した ';
    const { status } = await call('DELETE', `${TENANT}${path}?reason=${encodeURIComponent(reason)}`);
    expect(status).toBeLessThan(300);
    expect(fields()).toMatchObject({ actor: { kind: 'administrator', reason } });
    expect(bed.log).not.toContain(encodeURIComponent('呼び返した'));
  });

  it('accepts a subject id of 128 characters, percent-encoded', async () => {
    const id = `a${'@'.repeat(127)}`;
    expect((await call('GET', `${TENANT}/subjects/${encodeURIComponent(id)}`)).status).toBe(200);
    expect(fields()['subject']).toBe(id);
  });

  const deep = `{"name":"x","policy":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}`;
  it.each([
    ['PUT', '/v1/tenants/Acme', { name: 'x' }, 'tenant'],
    ['PUT', TENANT, {}, 'name'],
    ['PUT', TENANT, { name: '' }, 'name'],
    ['PUT', TENANT, { name: 'a\u0000b' }, 'name'],
    ['PUT', TENANT, { name: 'a\ud800b' }, 'name'],
    ['PUT', TENANT, { name: 'x', policy: { transfers: { 'a\udc00': 'sip:a@example.com' } } }, 'policy.transfers'],
    ['PUT', TENANT, { name: 'x', policy: [] }, 'policy'],
    ['PUT', TENANT, { name: 'x', policy: null }, 'policy'],
    ['PUT', TENANT, deep, 'policy'],
    ['PUT', TENANT, { name: 'x', constructor: 'y' }, 'constructor'],
    ['PUT', TENANT, [], 'body'],
    ['PUT', TENANT, undefined, 'body'],
    ['POST', `${TENANT}/agents`, { agent: 'No Name' }, 'agent'],
    ['POST', `${TENANT}/agents`, { agent: 'a', name: '\ud83d' }, 'name'],
    [
      'POST',
      `${TENANT}/agents`,
      { agent: 'a', policy: { unlocksFunctions: ['\udfff'] } },
      'policy.unlocksFunctions[0]',
    ],
    ['POST', `${TENANT}/agents`, { agent: 'a', password: 'mine' }, 'password'],
    ['PUT', `${TENANT}/agents/desk/policy`, [], 'policy'],
    ['PUT', `${TENANT}/agents/desk/policy`, { texts: { en: { verified: '\u0000' } } }, 'policy.texts.en.verified'],
    ['PUT', `${TENANT}/agents/desk/policy`, { texts: { en: { verified: '\ud800' } } }, 'policy.texts.en.verified'],
    ['POST', `${TENANT}/agents/desk/rotate`, { graceSeconds: -1 }, 'graceSeconds'],
    ['POST', `${TENANT}/agents/desk/rotate`, { graceSeconds: 604_801 }, 'graceSeconds'],
    ['POST', `${TENANT}/agents/desk/rotate`, null, 'body'],
    ['PUT', SUBJECT, { phones: ['+12025550147', 'five'] }, 'phones[1]'],
    ['PUT', SUBJECT, { phones: [12025550147] }, 'phones[0]'],
    // Numbers that a reader of JSON would round to good ones.
    ['POST', `${TENANT}/agents/desk/rotate`, '{"graceSeconds":3600.00000000000000000001}', 'graceSeconds'],
    ['POST', `${TENANT}/agents/desk/rotate`, '{"graceSeconds":9007199254740993}', 'graceSeconds'],
    ['PUT', `${SUBJECT}/pin`, '{"pin":48213}', 'pin'],
    ['PUT', SUBJECT, '{"displayName":9007199254740993}', 'displayName'],
    ['PUT', SUBJECT, { phones: Array<string>(11).fill('+12025550147') }, 'phones'],
    ['PUT', SUBJECT, { phones: ['+86282452253'] }, 'phones[0]'],
    ['PUT', SUBJECT, { phones: ['+1202555\ud8000147'] }, 'phones[0]'],
    ['PUT', SUBJECT, { displayName: 'Ann \ud800' }, 'displayName'],
    ['PUT', SUBJECT, { displayName: 'Ann \u0000' }, 'displayName'],
    ['PUT', SUBJECT, { locale: 'en-\ud800\ud800' }, 'locale'],
    ['PUT', SUBJECT, { displayName: null }, 'displayName'],
    ['PUT', SUBJECT, { phones: null }, 'phones'],
    ['PATCH', SUBJECT, { phones: ['five'] }, 'phones[0]'],
    ['PATCH', SUBJECT, { displayName: '' }, 'displayName'],
    ['PATCH', SUBJECT, { pin: '4821' }, 'pin'],
    ['PATCH', TENANT, { name: null }, 'name'],
    ['PATCH', TENANT, { policy: [] }, 'policy'],
    [
      'PATCH',
      `${TENANT}/agents/desk`,
      { policy: { texts: { en: { verified: '\udc00' } } } },
      'policy.texts.en.verified',
    ],
    ['PATCH', `${TENANT}/agents/desk/policy`, null, 'policy'],
    ['PUT', SUBJECT, { phones: 'all' }, 'phones'],
    ['PUT', SUBJECT, { locale: 'english' }, 'locale'],
    ['PUT', `${TENANT}/subjects/a%20b`, {}, 'subject'],
    ['PUT', `${SUBJECT}/pin`, { pin: '123' }, 'pin'],
    ['PUT', `${SUBJECT}/pin`, { pin: '12345678\n' }, 'pin'],
    ['PUT', `${SUBJECT}/pin`, {}, 'pin'],
    ['POST', `${SUBJECT}/unlock`, {}, 'reason'],
    ['POST', `${TENANT}/disable`, { reason: '' }, 'reason'],
    ['POST', `${TENANT}/agents/desk/disable`, { why: 'x' }, 'why'],
    ['POST', `${SUBJECT}/unlock`, { reason: '  ' }, 'reason'],
    ['POST', `${SUBJECT}/unlock`, { reason: 'a\nb' }, 'reason'],
    ['POST', `${SUBJECT}/unlock`, { reason: 'a\udc00' }, 'reason'],
    ['POST', `${TENANT}/limits/reset`, { dimension: 'agent', agent: 'desk', reason: 'a\ud800' }, 'reason'],
    ['POST', `${SUBJECT}/unlock`, { reason: 'x'.repeat(201) }, 'reason'],
    ['POST', `${TENANT}/keys`, { name: 'x', scopes: ['manage'], expiresAt: '2099-01-31T12:00:00+15:00' }, 'expiresAt'],
    ['DELETE', `${SUBJECT}?reason=`, undefined, 'reason'],
    ['DELETE', `${SUBJECT}?reason=${'x'.repeat(201)}`, undefined, 'reason'],
    ['DELETE', `${SUBJECT}?reason=a&reason=b`, undefined, 'reason'],
    ['DELETE', `${TENANT}/agents/desk?why=x`, undefined, 'why'],
    ['PUT', `${SUBJECT}/pin`, { pin: '4821', forceChange: 'yes' }, 'forceChange'],
    ['PUT', `${SUBJECT}/knowledge`, {}, 'answers'],
    ['PUT', `${SUBJECT}/knowledge`, { answers: {} }, 'answers'],
    ['PUT', `${SUBJECT}/knowledge`, { answers: { zip_code: 94103 } }, 'answers.zip_code'],
    ['PUT', `${SUBJECT}/knowledge`, { answers: { zip_code: '94103\ud800' } }, 'answers.zip_code'],
  ])('%s %s refuses a broken rule with the field and publishes no command (%#)', async (method, path, body, field) => {
    const answered = await call(method, path, body);
    expect(answered.status).toBe(422);
    const violations = answered.body['violations'] as { field: string; rule: string }[];
    expect([...new Set(violations.map((violation) => violation.field))]).toEqual([field]);
    expect(bed.commands).toEqual([]);
  });
});
