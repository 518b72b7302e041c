import { createHmac, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { sha256 } from '@countersign/crypto';
import { MAX_BODY_BYTES } from '../http/swaig-request-hooks.js';
import { TEXTS as ALL_TEXTS } from '../replies/texts.js';
import {
  basic,
  PASSWORD,
  pinCall,
  sample,
  SwaigTestBed,
  type ReceivedResponse,
  type SentRequest,
} from '../../test/test-bed.js';
import { exampleAgent } from '../../test/test-policy.js';

const TEXTS = ALL_TEXTS.en;

const SIGNING_KEY = 'PSK_of-the-tests';
const PUBLIC_URL = 'https://verify.example.com/voice';

let bed: SwaigTestBed;
beforeAll(async () => {
  bed = await SwaigTestBed.open({ SIGNALWIRE_SIGNING_KEY: SIGNING_KEY, PUBLIC_URL: `${PUBLIC_URL}/` });
});
afterAll(() => bed.close());

const emptySignatureRequest = sample('req-spec-get_signature-empty-list.json');

/** Expects a readable JSON refusal without internals. */
function expectRefusal({ status, headers, text, body }: ReceivedResponse, expected: number): void {
  expect(status).toBe(expected);
  expect(headers.get('content-type')).toMatch(/^application\/json/);
  expect(Object.keys(body)).toEqual(['error', 'response']);
  expect(body['error']).toMatch(/./);
  expect(body['response']).toBe(TEXTS.unavailable);
  expect(text).not.toMatch(/\bat .*\.[jt]s|Error:|FST_|[Ff]astify|Nest/);
}

describe('POST /swaig', () => {
  it.each<[string, SentRequest]>([
    ['no credentials', { authorization: undefined }],
    ['a wrong password', { authorization: basic('desk', 'wrong') }],
    ['an unknown agent', { authorization: basic('nobody', PASSWORD) }],
    ['another scheme', { authorization: `Bearer ${PASSWORD}` }],
    ['the tenant in place of the agent', { authorization: basic('acme', PASSWORD) }],
  ])('answers 401 to %s with any body', async (_, sent) => {
    for (const more of [
      { body: pinCall({ pin: '4217' }) },
      { body: '{' },
      { contentType: 'text/plain', body: 'x' },
      {},
    ]) {
      const received = await bed.send({ ...more, ...sent });
      expectRefusal(received, 401);
      expect(received.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    }
    expect(bed.requests).toHaveLength(0);
  });

  it('accepts a body and arguments that begin with a byte order mark', async () => {
    const call = pinCall({ pin: '4217' });
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(JSON.stringify(call))]);
    expect((await bed.send({ body: marked })).status).toBe(200);
    const raw = '\ufeff{"pin":"4217"}';
    expect((await bed.send({ body: { ...call, argument: { raw } } })).status).toBe(200);
    expect(bed.requests).toHaveLength(2);
    bed.requests.length = 0;
  });

  it('answers an unknown agent and a wrong password identically', async () => {
    const [unknown, wrong] = await Promise.all(
      ['nobody', 'desk'].map((name) => bed.send({ authorization: basic(name, 'x') })),
    );
    expect(unknown?.text).toBe(wrong?.text);
    const names = (received?: ReceivedResponse): string[] => [...(received?.headers.keys() ?? [])];
    expect(names(unknown)).toEqual(names(wrong));
  });

  it('refuses a request without credentials before its body arrives', async () => {
    const { port } = new URL(bed.service.urls['swaig'] ?? '');
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': '1000' };
      const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/swaig', headers }, (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on('error', reject);
      request.flushHeaders();
    });
    expect(status).toBe(401);
  });

  it('accepts the scheme in any case and a password with colons and non-ASCII characters', async () => {
    const authorization = basic('desk', PASSWORD).replace('Basic', 'bAsIc');
    expect((await bed.send({ authorization, body: emptySignatureRequest })).status).toBe(200);
  });

  it('accepts the old password until the grace period of a rotation ends', async () => {
    const validUntil = (ms: number): string => new Date(Date.now() + ms).toISOString();
    const passwords = [
      { hash: sha256('new') },
      { hash: sha256('in grace'), validUntil: validUntil(60_000) },
      { hash: sha256('ended'), validUntil: validUntil(-1) },
    ];
    const agent = exampleAgent('rotated', 'acme', 'x');
    agent.passwords = passwords;
    await bed.publish(agent);
    const statuses = ['new', 'in grace', 'ended', 'x'].map(async (password) => {
      const { status } = await bed.send({ authorization: basic('rotated', password), body: emptySignatureRequest });
      return status;
    });
    expect(await Promise.all(statuses)).toEqual([200, 200, 401, 401]);
  });

  it.each<[string, string]>([
    ['an empty body', ''],
    ['an incomplete object', '{"function":'],
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"verify_pin"'],
    ['a number', '1'],
    ['bytes', '\u0000\u0001'],
  ])('answers 400 to %s', async (_, body) => {
    expectRefusal(await bed.send({ body }), 400);
  });

  it('answers 415 to another content type and to a body without one, and 400 to no body at all', async () => {
    for (const contentType of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'text/swaig',
      'nonsense',
      undefined,
    ]) {
      expectRefusal(await bed.send({ contentType, body: '{}' }), 415);
    }
    expectRefusal(await bed.send({ contentType: undefined }), 400);
  });

  it('accepts a JSON content type with a charset', async () => {
    expect((await bed.send({ contentType: 'Application/JSON; charset=utf-8', body: '{}' })).status).toBe(200);
  });

  it('answers 413 to a body above 256 KiB, and accepts a body of exactly 256 KiB', async () => {
    const body = (length: number): string => `{"x":"${'x'.repeat(length - 8)}"}`;
    expectRefusal(await bed.send({ body: body(MAX_BODY_BYTES + 1) }), 413);
    expect((await bed.send({ body: body(MAX_BODY_BYTES) })).status).toBe(200);
  });

  it('answers 404 and 405 in JSON and lists the allowed methods', async () => {
    for (const path of ['/', '/swaigx', '/swaig/capture', '/%', '/health']) {
      expectRefusal(await bed.send({ path, body: '{}' }), 404);
    }
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const received = await bed.send({ method, authorization: undefined, contentType: undefined });
      expectRefusal(received, 405);
      expect(received.headers.get('allow')).toBe('POST');
    }
    expectRefusal(await bed.send({ path: '/health/live', body: '{}' }), 405);
  });

  it('requires credentials on the path with a trailing slash and with a query, too', async () => {
    for (const path of ['/swaig/', '/swaig?agent=demo']) {
      expect((await bed.send({ path, body: '{}' })).status).toBe(200);
      expectRefusal(await bed.send({ path, body: '{}', authorization: undefined }), 401);
    }
  });

  it('reports its health without credentials', async () => {
    const get = { method: 'GET', authorization: undefined, contentType: undefined };
    expect(await bed.send({ ...get, path: '/health/live' })).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await bed.send({ ...get, path: '/health/ready' })).toMatchObject({
      status: 200,
      body: { status: 'ok', checks: { broker: true, directory: true } },
    });
  });
});

describe('a signature request', () => {
  const sign = (path: string, body: string): string =>
    createHmac('sha1', SIGNING_KEY).update(`${PUBLIC_URL}${path}${body}`).digest('hex');
  const definitions = ({ text }: ReceivedResponse): Record<string, unknown>[] =>
    JSON.parse(text) as Record<string, unknown>[];

  it('returns definitions with the credentials of the request', async () => {
    const received = await bed.send({ body: emptySignatureRequest });
    expect(received.status).toBe(200);
    expect(received.headers.get('cache-control')).toBe('no-store');
    expect(definitions(received)).toHaveLength(5);
    for (const definition of definitions(received)) {
      expect(definition).toMatchObject({
        web_hook_url: `${PUBLIC_URL}/swaig`,
        web_hook_auth_user: 'desk',
        web_hook_auth_password: PASSWORD,
      });
    }
  });

  it('returns the requested functions that the policy allows', async () => {
    const names = async (body: unknown, agent = 'desk'): Promise<unknown[]> =>
      definitions(await bed.send({ body, authorization: basic(agent, PASSWORD) })).map((one) => one['function']);
    expect(await names(sample('req-spec-get_signature.json'))).toEqual(['verify_pin']);
    expect(await names({ action: 'get_signature', functions: ['check_kba'] })).toEqual([]);
    expect(await names(emptySignatureRequest, 'help')).toEqual(['verification_status']);
  });

  it('is accepted if its signature covers address, query and raw body', async () => {
    const body = JSON.stringify(emptySignatureRequest, null, 2);
    for (const path of ['/swaig', '/swaig?x=%20y']) {
      for (const signature of [sign(path, body), sign(path, body).toUpperCase()]) {
        const received = await bed.send({ path, body, headers: { 'X-SignalWire-Signature': signature } });
        expect(received.status).toBe(200);
      }
    }
  });

  it('is refused with 403 if its signature is wrong', async () => {
    const body = JSON.stringify(emptySignatureRequest);
    for (const signature of [
      '',
      'x',
      randomBytes(20).toString('hex'),
      sign('/swaig?x', body),
      sign('/swaig', `${body} `),
    ]) {
      expectRefusal(await bed.send({ body, headers: { 'X-SignalWire-Signature': signature } }), 403);
    }
  });
});
