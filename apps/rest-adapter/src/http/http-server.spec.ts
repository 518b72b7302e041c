import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BODY_LIMIT } from '@countersign/api';
import { ADMIN_KEY, AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

const attempt = { method: 'pin', subject: 'c-1', pin: '4821' };

describe('the HTTP server of the REST adapter', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.log = '';
    bed.answer = () => ({ answer: 'updated' });
  });

  it.each([
    ['no header', {}],
    ['an empty header', { authorization: '' }],
    ['another scheme', { authorization: `Basic ${AGENT_KEY}` }],
    ['an unknown key', { authorization: 'Bearer cs_unknown' }],
    ['a key that has ended', { authorization: `Bearer ${AGENT_KEY}-ended` }],
    ['the beginning of a key', { authorization: `Bearer ${ADMIN_KEY.slice(0, -1)}` }],
    ['two keys', { authorization: `Bearer ${AGENT_KEY} ${AGENT_KEY}` }],
  ])('answers %s with 401, before it reads the body', async (_what, headers) => {
    const answered = await bed.call('POST', '/v1/verifications', { headers, body: 'not json' });
    expect(answered.status).toBe(401);
    expect(answered.headers.get('www-authenticate')).toBe('Bearer');
    expect(answered.body['type']).toBe('urn:countersign:problem:unauthorized');
  });

  it('accepts the scheme of the key in upper and lower case', async () => {
    const headers = { authorization: `bEARER ${AGENT_KEY}` };
    expect((await bed.call('POST', '/v1/verifications', { headers, body: attempt })).status).toBe(200);
  });

  it.each([
    ['what is not JSON', '{"method":', 'application/json', 400, 'malformed-json'],
    ['a hidden prototype', '{"__proto__":{"pin":"4821"}}', 'application/json', 400, 'malformed-json'],
    ['another content type', 'pin=4821', 'application/x-www-form-urlencoded', 415, 'unsupported-media-type'],
    ['plain text', '{}', 'text/plain', 415, 'unsupported-media-type'],
    ['a body above the limit', `"${'x'.repeat(BODY_LIMIT)}"`, 'application/json', 413, 'too-large'],
    ['a list', '[]', 'application/json; charset=utf-8', 422, 'invalid-request'],
    ['an empty body', '', 'application/json', 422, 'invalid-request'],
    ['ten thousand brackets', '['.repeat(10_000) + ']'.repeat(10_000), 'application/json', 422, 'invalid-request'],
  ])('answers %s with its problem type', async (_what, body, contentType, status, type) => {
    const headers = { 'content-type': contentType };
    const answered = await bed.call('POST', '/v1/verifications', { key: AGENT_KEY, headers, body });
    expect(answered.status).toBe(status);
    expect(answered.headers.get('content-type')).toContain('application/problem+json');
    expect(answered.body).toMatchObject({ type: `urn:countersign:problem:${type}`, status });
    expect(bed.commands).toEqual([]);
  });

  it('names an unknown field only when it looks like a name', async () => {
    const body = { ...attempt, pinn: '4821', '48217390': true, [`x${'y'.repeat(50)}`]: 1 };
    const { text, body: problem } = await bed.call('POST', '/v1/verifications', { key: AGENT_KEY, body });
    const named = (problem['violations'] as { field: string }[]).map((violation) => violation.field);
    expect(named.sort()).toEqual(['(a field with an unusual name)', '(a field with an unusual name)', 'pinn']);
    expect(text).not.toContain('48217390');
  });

  it('lists at most twenty violations', async () => {
    const body = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`f${'x'.repeat(index % 30)}_`, index]));
    const { body: problem } = await bed.call('POST', '/v1/verifications', { key: AGENT_KEY, body });
    expect((problem['violations'] as unknown[]).length).toBe(20);
  });

  it.each([
    ['GET', '/v1/nothing', 404, null],
    ['GET', '/', 404, null],
    ['GET', '/v1/verifications', 405, 'POST'],
    ['POST', '/v1/tenants/acme/subjects/c-1', 405, 'DELETE, GET, HEAD, PATCH, PUT'],
    ['POST', '/openapi.json', 405, 'GET, HEAD'],
    ['GET', '/v1/tenants/%ff', 404, null],
    ['GET', `/v1/tenants/acme/subjects/${'a'.repeat(500)}`, 404, null],
  ])('answers %s %s with %i', async (method, path, status, allow) => {
    const answered = await bed.call(method, path, { key: ADMIN_KEY });
    expect(answered.status).toBe(status);
    expect(answered.headers.get('allow')).toBe(allow);
    expect(answered.headers.get('content-type')).toContain('application/problem+json');
    expect(answered.body['type']).toBe(
      `urn:countersign:problem:${status === 404 ? 'not-found' : 'method-not-allowed'}`,
    );
    expect(answered.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('allows no cache to store an answer and no browser to attempt its type', async () => {
    const answers = [
      await bed.call('POST', '/v1/verifications', { key: AGENT_KEY, body: attempt }),
      await bed.call('POST', '/v1/verifications', { key: AGENT_KEY, body: 'not json' }),
      await bed.call('POST', '/v1/tenants/acme/agents', { key: ADMIN_KEY, body: { agent: 'new' } }),
      await bed.call('POST', '/v1/tenants/acme/agents/new/rotate', { key: ADMIN_KEY }),
      await bed.call('GET', '/v1/nothing'),
    ];
    for (const { headers } of answers) {
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('logs one line per request, with the pattern of the route and nothing of the request', async () => {
    await bed.call('PUT', '/v1/tenants/acme/subjects/customer-77/pin', { key: ADMIN_KEY, body: { pin: '48217390' } });
    await bed.call('GET', '/v1/nothing/48217390', { key: ADMIN_KEY });
    const [first, second] = await lines(bed, 2);
    expect(first).toEqual({
      service: 'rest-adapter',
      requestId: expect.any(String),
      source: '127.0.0.1',
      actor: 'administrator',
      method: 'PUT',
      route: '/v1/tenants/:tenant/subjects/:subject/pin',
      status: 204,
      ms: expect.any(Number),
    });
    expect(second).toMatchObject({ method: 'GET', route: 'unknown', status: 404 });
  });

  it('gives every answer an id of its own, which the log line of the request has too', async () => {
    const answers = [
      await bed.call('GET', '/v1/tenants/acme/limits', { key: ADMIN_KEY, headers: { 'request-id': 'chosen' } }),
      await bed.call('GET', '/v1/nothing'),
      await bed.call('GET', '/v1/tenants/%ff'),
    ];
    const ids = answers.map(({ headers }) => headers.get('request-id'));
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(ids).size).toBe(3);
    expect((await lines(bed, 2)).map((line) => line['requestId'])).toEqual(ids.slice(0, 2));
  });

  it('reports its health without a key', async () => {
    expect(await bed.call('GET', '/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await bed.call('GET', '/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'ok', checks: { broker: true, directory: true } },
    });
  });

  it('continues to serve after bytes that are not HTTP', async () => {
    const { port, hostname } = new URL(bed.adapter.urls['rest'] ?? '');
    const socket = connect(Number(port), hostname);
    socket.end('GARBAGE\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve).resume());
    expect((await bed.call('GET', '/health/live')).status).toBe(200);
  });

  const routes = [
    ['PUT', '/v1/tenants/acme', ADMIN_KEY],
    ['POST', '/v1/tenants/acme/agents', ADMIN_KEY],
    ['PUT', '/v1/tenants/acme/agents/desk/policy', ADMIN_KEY],
    ['POST', '/v1/tenants/acme/agents/desk/rotate', ADMIN_KEY],
    ['PUT', '/v1/tenants/acme/subjects/c-1', ADMIN_KEY],
    ['PUT', '/v1/tenants/acme/subjects/c-1/pin', ADMIN_KEY],
    ['POST', '/v1/verifications', AGENT_KEY],
  ] as const;
  const names = [
    'name',
    'agent',
    'policy',
    'graceSeconds',
    'phones',
    'displayName',
    'locale',
    'pin',
    'method',
    'subject',
    'phone',
    'callId',
  ];

  it('answers any JSON without an internal error', async () => {
    const field = fc.oneof(fc.constantFrom(...names), fc.string());
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('4821', 'pin', '+12025550147', 'c-1', null, -0, 1e308));
    const body = fc.oneof(fc.dictionary(field, value), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), body, async ([method, path, key], sent) => {
        const { status } = await bed.call(method, path, { key, body: JSON.stringify(sent) });
        expect(status).toBeLessThan(500);
      }),
      { numRuns: 300 },
    );
  });
});

/** The log lines of requests. A line is written just after its answer was sent. */
async function lines(bed: RestTestBed, count: number): Promise<Record<string, unknown>[]> {
  const limit = Date.now() + 2000;
  for (;;) {
    const found = bed.log
      .split('\n')
      .filter((line) => line.includes('"msg":"request"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    if (found.length >= count) {
      return found.map(({ level: _level, time: _time, pid: _pid, hostname: _host, msg: _msg, ...rest }) => rest);
    }
    if (Date.now() > limit) throw new Error(`${found.length} of ${count} lines were logged within two seconds`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
