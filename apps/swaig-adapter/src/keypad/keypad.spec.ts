import { KeyedHash, Secret } from '@countersign/crypto';
import { CAPTURE_TOKEN_LIFETIME_MS, CaptureTokens } from './capture-token.js';
import { TEXTS } from '../replies/texts.js';
import { CANARY, PASSWORD, PHONE, SwaigTestBed, type ReceivedResponse } from '../../test/test-bed.js';
import { exampleAgent } from '../../test/test-policy.js';

const PUBLIC_URL = 'https://verify.example.com/voice';

let bed: SwaigTestBed;
beforeAll(async () => {
  bed = await SwaigTestBed.open({ PUBLIC_URL });
});
beforeEach(() => {
  bed.requests.length = 0;
  bed.decide = () => ({});
});
afterAll(() => bed.close());

interface KeypadSteps {
  readonly prompt: Record<string, unknown>;
  readonly request: { readonly url: string; readonly body: Record<string, unknown> } & Record<string, unknown>;
  readonly set: { readonly ai_response: string };
}

/** The steps of the SWML document in an answer to `collect_pin`. */
function keypadSteps({ body }: ReceivedResponse): KeypadSteps {
  const [action] = body['action'] as { SWML: { sections: { main: Record<string, unknown>[] } }; transfer?: string }[];
  expect(action).not.toHaveProperty('transfer');
  return Object.assign({}, ...(action?.SWML.sections.main ?? [])) as KeypadSteps;
}

async function startEntry(fields: Record<string, unknown> = {}): Promise<string> {
  const { url } = keypadSteps(await bed.call('collect_pin', {}, fields)).request;
  expect(url.startsWith(`${PUBLIC_URL}/swaig/capture/`)).toBe(true);
  return url.slice(PUBLIC_URL.length);
}

/** Posts digits like the platform, without credentials. */
async function postDigits(path: string, body: unknown): Promise<ReceivedResponse> {
  return bed.send({ path, body, authorization: undefined });
}

describe('collect_pin', () => {
  it('makes the platform collect the digits and post them, so the model never sees them', async () => {
    const received = await bed.call('collect_pin', {});
    const { prompt, request, set } = keypadSteps(received);
    expect(received.body['response']).toBe(TEXTS.en.keypad);
    expect(prompt).toMatchObject({ play: `say:${TEXTS.en.keypad_prompt}`, max_digits: 8, terminators: '#' });
    expect(request).toMatchObject({ method: 'POST', body: { pin: '${prompt_value}' } });
    expect(set.ai_response).not.toContain('prompt_value');
    expect(set.ai_response).toContain('verification_status');
  });

  it('creates a new address without a telephone number for each entry', async () => {
    const [first, second] = [await startEntry(), await startEntry()];
    expect(first).not.toBe(second);
    const content = Buffer.from((first.split('/').at(-1) ?? '').split('.')[0] ?? '', 'base64url').toString();
    expect(content).toContain('acme');
    expect(content).not.toContain(PHONE.slice(2));
  });

  it('is refused without a call id', async () => {
    expect((await bed.call('collect_pin', {}, { call_id: '' })).body).toEqual({ response: TEXTS.en.keypad_refused });
  });
});

describe('a keypad entry', () => {
  it('is an attempt of the caller of its call, with a command id derived from the token', async () => {
    const path = await startEntry({ call_id: 'call-9' });
    bed.decide = () => ({ outcome: 'verified', level: 'verified', subjectId: 'cust-1', displayName: 'Pat' });
    const received = await postDigits(path, { pin: '0427' });
    expect(received).toMatchObject({
      status: 200,
      body: { status: 'verified', response: 'Thank you, Pat. How can I help you today?' },
    });
    expect(bed.requests).toMatchObject([
      {
        tenant: 'acme',
        agent: 'desk',
        method: 'pin',
        callId: 'call-9',
        subjectKind: 'phone',
        subjectRef: bed.hash.hash('phone', 'acme', PHONE),
        callerKey: bed.hash.callerKey('acme', 'phone', PHONE),
        commandId: expect.stringMatching(/^capture-[0-9a-f]{64}$/) as string,
      },
    ]);
    expect(await bed.pinOf(bed.requests[0] as NonNullable<(typeof bed.requests)[0]>)).toBe('0427');
    expect(received.text.replace(/[\w-]{32,}/g, '')).not.toContain('0427');
  });

  it('has the same command id each time it is posted, so verification decides it once', async () => {
    const path = await startEntry();
    for (const pin of ['4217', '4217', '9999']) await postDigits(path, { pin });
    const [first] = bed.requests;
    const [content, repeated, other] = await Promise.all(bed.requests.map((one) => bed.contentOf(one)));
    expect(repeated).toBe(content);
    expect(other).not.toBe(content);
    expect(new Set(bed.requests.map(({ commandId }) => commandId)).size).toBe(1);
    expect(first?.repeatSeconds).toBeGreaterThan(CAPTURE_TOKEN_LIFETIME_MS / 1000);
    bed.decide = () => ({ conflict: 'mismatch' });
    expect((await postDigits(path, { pin: '1111' })).body).toEqual({
      status: 'used',
      response: TEXTS.en.keypad_refused,
    });
  });

  it('without a well-formed PIN counts no attempt and can be repeated', async () => {
    const path = await startEntry();
    for (const body of [{}, { pin: '' }, { pin: '12' }, { pin: '123456789' }, { pin: null }, { digits: '4217' }]) {
      expect((await postDigits(path, body)).body).toEqual({ status: 'bad_argument', response: TEXTS.en.bad_pin });
    }
    expect(bed.requests).toHaveLength(0);
    await postDigits(path, { pin: '4217' });
    expect(bed.requests).toHaveLength(1);
  });

  it('is refused if the token was changed, truncated, invented or signed with another key', async () => {
    const path = await startEntry();
    const token = path.split('/').at(-1) ?? '';
    const [content = '', signature = ''] = token.split('.');
    const otherTokens = new CaptureTokens(new KeyedHash(new Secret(Buffer.alloc(32, 1).toString('base64url'))));
    const claims = JSON.parse(Buffer.from(content, 'base64url').toString()) as unknown[];
    const otherTenant = Buffer.from(JSON.stringify(['umbrella', 'help', ...claims.slice(2)])).toString('base64url');
    for (const bad of [
      `${content}x.${signature}`,
      `${otherTenant}.${signature}`,
      content,
      `${content}.`,
      `${token}.`,
      `${token}x`,
      `.${signature}`,
      'x'.repeat(2000),
      otherTokens.issue(exampleAgent('desk', 'acme', PASSWORD), claims[2] as never, Date.now()),
    ]) {
      const received = await postDigits(`/swaig/capture/${bad}`, { pin: '4217' });
      expect(received.status).toBe(403);
      expect(Object.keys(received.body)).toEqual(['error', 'response']);
    }
    expect(bed.requests).toHaveLength(0);
  });

  it('is refused if the policy no longer allows its agent to collect PINs', async () => {
    const path = await startEntry();
    await bed.publish(exampleAgent('desk', 'acme', PASSWORD, { functions: ['verify_pin'] }));
    expect((await postDigits(path, { pin: '4217' })).status).toBe(403);
    await bed.publish(exampleAgent('desk', 'acme', PASSWORD));
  });

  it('is refused if its agent was deleted and created again under the same id', async () => {
    const path = await startEntry();
    const again = Object.assign(exampleAgent('desk', 'acme', PASSWORD), { createdAt: '2026-11-27T12:00:00.000Z' });
    await bed.publish(again);
    expect((await postDigits(path, { pin: '4217' })).status).toBe(403);
    expect(bed.requests).toHaveLength(0);
    await bed.publish(exampleAgent('desk', 'acme', PASSWORD));
  });

  it('writes neither its digits nor its token to the log', async () => {
    const path = await startEntry();
    await postDigits(path, { pin: CANARY });
    await postDigits(`${path}x`, { pin: CANARY });
    expect(bed.log).toMatch(/"function":"collect_pin"/);
    for (const secret of [CANARY, (path.split('/').at(-1) ?? '').slice(0, 40)]) expect(bed.log).not.toContain(secret);
    expect(bed.bytes).not.toContain(CANARY);
  });

  it('accepts only POST and only a JSON object', async () => {
    const path = await startEntry();
    const get = await bed.send({ method: 'GET', path, authorization: undefined, contentType: undefined });
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await bed.send({ path, body: '4217', contentType: 'text/plain', authorization: undefined })).status).toBe(
      415,
    );
    expect((await postDigits(path, '[]')).status).toBe(400);
  });
});

describe('a capture token', () => {
  const tokens = new CaptureTokens(new KeyedHash(new Secret(Buffer.alloc(32, 3).toString('base64url'))));
  const caller = {
    subject: { kind: 'phone', digest: 'd'.repeat(64) },
    callId: 'c',
    caller: 'e'.repeat(64),
    callerTail: '23',
    subjectIsCaller: true,
  } as const;

  it('holds no telephone number and no hash of one, and opens with every configured key', () => {
    const key = (n: number): string => Buffer.alloc(32, n).toString('base64url');
    const token = tokens.issue(exampleAgent('desk', 'acme', 'x'), caller, 1000);
    const content = Buffer.from(token.split('.')[0] ?? '', 'base64url').toString();
    for (const digest of [caller.subject.digest, caller.caller]) expect(content).not.toContain(digest);
    const rotated = new CaptureTokens(new KeyedHash(new Secret(`${key(4)},${key(3)}`)));
    expect(rotated.open(token, 1000)).toMatchObject({ caller });
  });

  it('expires five minutes after it was issued', () => {
    const token = tokens.issue(exampleAgent('desk', 'acme', 'x'), caller, 1000);
    expect(tokens.open(token, 1000 + CAPTURE_TOKEN_LIFETIME_MS - 1)).toMatchObject({
      tenant: 'acme',
      agent: 'desk',
      caller,
    });
    expect(tokens.open(token, 1000 + CAPTURE_TOKEN_LIFETIME_MS)).toBeUndefined();
    expect(CAPTURE_TOKEN_LIFETIME_MS).toBeLessThanOrEqual(300_000);
  });
});
