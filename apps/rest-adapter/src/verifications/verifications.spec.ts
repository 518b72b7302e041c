import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { OUTCOMES } from '@countersign/contracts';
import { createReplyKey, KeyedHash, sealReply, Secret } from '@countersign/crypto';
import { eventually } from '@countersign/testing';
import { ADMIN_KEY, AGENT_KEY, OTHER_AGENT_KEY, receiptOf, RestTestBed } from '../../test/test-bed.js';

const PATH = '/v1/verifications';
const hash = new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url')));

describe('POST /v1/verifications', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '2000' });
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.decide = () => ({ outcome: 'verified', level: 'verified', verificationId: 'v-1' });
  });

  const attempt = (fields: Record<string, unknown> = {}, headers: Record<string, string> = {}, key = AGENT_KEY) =>
    bed.call('POST', PATH, { key, headers, body: { method: 'pin', subject: 'c-1', pin: '4821', ...fields } });
  const requested = (): Record<string, unknown> => bed.commands.at(-1)?.fields ?? {};

  it('publishes the tenant and agent of the key, and the PIN encrypted', async () => {
    const { status, body } = await attempt({ callId: 'call-1' });
    expect({ status, body }).toEqual({
      status: 200,
      body: { verificationId: 'v-1', outcome: 'verified', level: 'verified', receipt: expect.any(String) },
    });
    expect(requested()).toMatchObject({
      tenant: 'acme',
      agent: 'desk',
      channel: 'rest',
      method: 'pin',
      subjectKind: 'id',
      subjectRef: 'c-1',
      callId: 'call-1',
      callerTail: '',
      subjectIsCaller: false,
      repeatSeconds: 60,
    });
    expect(requested()['callerKey']).toBeUndefined();
    expect(await bed.unsealed()).toMatchObject({ pin: '4821', replyKey: expect.stringMatching(/^[\w-]{43}$/) });
  });

  it('treats all spellings of a telephone number as one number', async () => {
    for (const phone of ['+12025550147', '+1 (202) 555-0147', 'tel:+1-202-555-0147']) {
      expect((await attempt({ subject: undefined, phone })).status).toBe(200);
      expect(requested()).toMatchObject({
        subjectKind: 'phone',
        subjectRef: hash.hash('phone', 'acme', '+12025550147'),
        callerTail: '',
        subjectIsCaller: false,
      });
      expect(requested()['callerKey']).toBeUndefined();
    }
  });

  it.each(OUTCOMES)('answers the outcome %s with 200', async (outcome) => {
    bed.decide = () => ({ outcome, level: outcome === 'verified' ? 'verified' : 'none', verificationId: 'v-2' });
    const { status, body } = await attempt();
    expect(status).toBe(200);
    // A disabled credential is answered like a locked one.
    expect(body['outcome']).toBe(outcome === 'disabled' ? 'locked' : outcome);
  });

  it('returns the seconds until a rate-limited caller may try again', async () => {
    bed.decide = () => ({ outcome: 'rate_limited', retryAfterSeconds: 17 });
    expect((await attempt()).body).toEqual({ outcome: 'rate_limited', level: 'none', retryAfterSeconds: 17 });
  });

  it('returns the remaining attempts only if the policy allows it', async () => {
    bed.decide = () => ({ outcome: 'rejected', verificationId: 'v-3', attemptsLeft: 2 });
    expect((await attempt()).body).not.toHaveProperty('attemptsLeft');
    expect((await attempt({}, {}, OTHER_AGENT_KEY)).body).toHaveProperty('attemptsLeft', 2);
  });

  it('reveals nothing about the subject, whatever the decision contains', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'verified', subjectId: 'c-1', displayName: 'Ada', locale: 'en' });
    expect(Object.keys((await attempt()).body).sort()).toEqual(['level', 'outcome', 'receipt']);
  });

  it('returns the receipt that was encrypted for this request', async () => {
    const { body } = await attempt();
    expect(body['receipt']).toBe(receiptOf({ level: 'verified', verificationId: 'v-1' }, requested()));
    expect(bed.bytes).not.toContain(body['receipt']);
  });

  it.each([{ agent: 'help' }, { tenant: 'umbrella' }, { callId: 'call-2' }, { method: 'knowledge' }] as const)(
    'does not accept a success with a receipt for %j, although it is signed and encrypted',
    async (other) => {
      const success = { outcome: 'verified', level: 'verified', verificationId: 'v-1' } as const;
      bed.decide = async (request) => {
        const { replyKey } = await bed.unsealed();
        return { ...success, receipt: sealReply(receiptOf(success, { ...request, ...other }), replyKey) ?? '' };
      };
      expect((await attempt()).body).toEqual({ outcome: 'unavailable', level: 'none' });
    },
  );

  it.each([
    ['none', ''],
    [
      'one under another key',
      sealReply(receiptOf({ level: 'verified', verificationId: 'v-1' }), createReplyKey()) ?? '',
    ],
    ['one in clear', receiptOf({ level: 'verified', verificationId: 'v-1' })],
  ])('does not accept a success with the receipt %s', async (_, receipt) => {
    bed.decide = () => ({ outcome: 'verified', level: 'verified', verificationId: 'v-1', receipt });
    expect((await attempt()).body).toEqual({ outcome: 'unavailable', level: 'none' });
  });

  it('publishes the same command for the same request under the same key, and another one for another agent', async () => {
    const headers = { 'idempotency-key': 'order-7' };
    await attempt({}, headers);
    const [first, content] = [requested(), await bed.content()];
    await attempt({}, headers);
    expect(requested()['commandId']).toBe(first['commandId']);
    expect(await bed.content()).toBe(content);
    expect(first['repeatSeconds']).toBe(86_400);
    await attempt({}, headers, OTHER_AGENT_KEY);
    expect(requested()['commandId']).not.toBe(first['commandId']);
  });

  it.each([{ pin: '4822' }, { subject: 'c-2' }, { callId: 'call-2' }, { subject: undefined, phone: '+12025550147' }])(
    'publishes another content for %j under the same key',
    async (change) => {
      const headers = { 'idempotency-key': 'order-8' };
      await attempt({}, headers);
      const [first, content] = [requested(), await bed.content()];
      await attempt(change, headers);
      expect(requested()['commandId']).toBe(first['commandId']);
      expect(await bed.content()).not.toBe(content);
    },
  );

  it('never repeats a command id without a key', async () => {
    await attempt();
    const first = requested()['commandId'];
    await attempt();
    expect(requested()['commandId']).not.toBe(first);
  });

  it.each([
    ['mismatch', 422, 'idempotency-mismatch'],
    ['in_flight', 409, 'idempotency-in-flight'],
    ['ended', 409, 'verification-ended'],
  ] as const)('answers the conflict %s with %i', async (conflict, status, type) => {
    bed.decide = () => ({ outcome: 'unavailable', conflict });
    const answered = await attempt({}, { 'idempotency-key': 'order-9' });
    expect(answered.status).toBe(status);
    expect(answered.body['type']).toBe(`urn:countersign:problem:${type}`);
  });

  describe('under a key with its first request in flight in this process', () => {
    const headers = { 'idempotency-key': 'order-11' };
    const answered = { outcome: 'rejected', level: 'none', verificationId: 'v-11' } as const;
    const type = (name: string): string => `urn:countersign:problem:${name}`;

    it('answers 409 to the same request and 422 to another one, publishes one command, and returns the answer again afterwards', async () => {
      let decide: () => void = () => undefined;
      const decided = new Promise<void>((resolve) => (decide = resolve));
      bed.decide = () => decided.then(() => answered);
      const first = attempt({}, headers);
      await eventually('the first command is published', () => bed.commands.length === 1);
      const again = await attempt({}, headers);
      const other = await attempt({ pin: '4822' }, headers);
      const ofAnotherAgent = attempt({}, headers, OTHER_AGENT_KEY);
      await eventually("the other agent's command is published", () => bed.commands.length === 2);
      decide();
      expect([again.status, again.body['type']]).toEqual([409, type('idempotency-in-flight')]);
      expect([other.status, other.body['type']]).toEqual([422, type('idempotency-mismatch')]);
      expect((await first).body).toEqual(answered);
      expect((await ofAnotherAgent).body).toEqual(answered);
      expect((await attempt({}, headers)).body).toEqual(answered);
      expect(bed.commands).toHaveLength(3);
    });

    it('never delays a request without a key', async () => {
      const both = await Promise.all([attempt(), attempt()]);
      expect(both.map(({ status }) => status)).toEqual([200, 200]);
    });
  });

  it.each([
    ['neither subject nor phone', { subject: undefined }, 'subject'],
    ['both subject and phone', { phone: '+12025550147' }, 'subject'],
    ['an impossible number', { subject: undefined, phone: '+1202555' }, 'phone'],
    ['a number that is no text', { subject: undefined, phone: 12025550147 }, 'phone'],
    ['a PIN of three digits', { pin: '482' }, 'pin'],
    ['a PIN of nine digits', { pin: '482148214' }, 'pin'],
    ['a PIN that is a number', { pin: 4821 }, 'pin'],
    ['digits of another script', { pin: '٤٨٢١' }, 'pin'],
    ['another method', { method: 'voice' }, 'method'],
    ['a method without its secret', { method: 'knowledge' }, 'answers'],
    ['answers beside a PIN', { answers: { zip_code: '94103' } }, 'answers'],
    ['a call id with a space', { callId: 'a b' }, 'callId'],
    ['a subject id with a slash', { subject: 'a/b' }, 'subject'],
    ['a null subject', { subject: null }, 'subject'],
    ['an unknown field', { tenant: 'umbrella' }, 'tenant'],
  ])('refuses %s with the field and publishes no command', async (_what, fields, field) => {
    const { status, body } = await attempt(fields);
    expect(status).toBe(422);
    expect(body['type']).toBe('urn:countersign:problem:invalid-request');
    expect(body['violations']).toEqual([{ field, rule: expect.any(String) }]);
    expect(bed.commands).toEqual([]);
  });

  it.each(['x'.repeat(256), '', 'schlüssel'])('refuses the Idempotency-Key %j', async (key) => {
    const { status, body } = await attempt({}, { 'idempotency-key': key });
    expect(status).toBe(422);
    expect(body['violations']).toEqual([{ field: 'Idempotency-Key', rule: expect.any(String) }]);
    expect(bed.commands).toEqual([]);
  });

  it('publishes the submitted answers encrypted, as it does a PIN', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'identified', verificationId: 'v-1' });
    const answers = { zip_code: '94103', last_four_ssn: '67 89' };
    const { status, body } = await attempt({ method: 'knowledge', pin: undefined, answers });
    expect({ status, body }).toEqual({
      status: 200,
      body: { verificationId: 'v-1', outcome: 'verified', level: 'identified', receipt: expect.any(String) },
    });
    expect(requested()).toMatchObject({ method: 'knowledge', subjectKind: 'id', subjectRef: 'c-1' });
    expect(await bed.unsealed()).toMatchObject({ answers, replyKey: expect.any(String) });
  });

  it('publishes another content for other answers under the same key', async () => {
    const headers = { 'idempotency-key': 'order-10' };
    const contentOf = async (answers: object) => {
      await attempt({ method: 'knowledge', pin: undefined, answers }, headers);
      return bed.content();
    };
    const first = await contentOf({ zip_code: '94103', last_four_ssn: '6789' });
    expect(await contentOf({ zip_code: '94104', last_four_ssn: '6789' })).not.toBe(first);
  });

  it.each([
    ['an answer to an unknown question', { last_four_ssn: '6789', zip_code: '94103', pet: 'Rex' }, 'pet', 'question'],
    ['answers that lack one', { last_four_ssn: '6789' }, 'zip_code', 'ZIP code of 5 or 9 digits'],
    ['digits of another number', { last_four_ssn: '678', zip_code: '94103' }, 'last_four_ssn', '4 digits'],
    ['words for digits', { last_four_ssn: 'six seven', zip_code: '94103' }, 'last_four_ssn', '4 digits'],
    ['a ZIP code of four digits', { last_four_ssn: '6789', zip_code: '9410' }, 'zip_code', 'ZIP code of 5 or 9 digits'],
  ])('refuses %s with the required form and publishes no command', async (_what, answers, question, rule) => {
    const { status, body } = await attempt({ method: 'knowledge', pin: undefined, answers });
    expect(status).toBe(422);
    expect(body['violations']).toEqual([{ field: `answers.${question}`, rule: expect.stringContaining(rule) }]);
    expect(bed.commands).toEqual([]);
  });

  it('refuses answers of the wrong form with the same bytes for every subject', async () => {
    const about = async (subject: string) =>
      (await attempt({ method: 'knowledge', pin: undefined, subject, answers: { zip_code: '9410' } })).body;
    expect(await about('nobody')).toEqual(await about('c-1'));
  });

  it('reports that a PIN must be changed', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'identified', mustChangePin: true });
    expect((await attempt()).body).toMatchObject({ outcome: 'verified', level: 'identified', mustChangePin: true });
  });

  it("refuses the administrator's key, because an attempt is counted for an agent", async () => {
    const { status, body } = await attempt({}, {}, ADMIN_KEY);
    expect(status).toBe(403);
    expect(body['type']).toBe('urn:countersign:problem:forbidden');
    expect(bed.commands).toEqual([]);
  });
});

describe('without an answer from the bus', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '100' });
    bed.decide = () => undefined;
    bed.answer = () => undefined;
  });
  afterAll(() => bed.close());

  it('an attempt is unavailable, never a success', async () => {
    const body = { method: 'pin', subject: 'c-1', pin: '4821' };
    const answered = await bed.call('POST', PATH, { key: AGENT_KEY, body });
    expect(answered.status).toBe(200);
    expect(answered.body).toEqual({ outcome: 'unavailable', level: 'none' });
  });

  it('a management call is 503 with Retry-After', async () => {
    const answered = await bed.call('PUT', '/v1/tenants/acme', { key: ADMIN_KEY, body: { name: 'Acme' } });
    expect(answered.status).toBe(503);
    expect(answered.body['type']).toBe('urn:countersign:problem:unavailable');
    expect(Number(answered.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});
