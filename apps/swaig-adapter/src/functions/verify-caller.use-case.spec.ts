import { type VerificationRequested } from '@countersign/contracts';
import {
  answerMac,
  createReceiptKeys,
  createReplyKey,
  ReceiptKeys,
  sealReply,
  Secret,
  digestOf,
} from '@countersign/crypto';
import { type SignReply } from '@countersign/messaging';
import { eventually } from '@countersign/testing';
import { TEXTS as ALL_TEXTS } from '../replies/texts.js';
import {
  basic,
  PASSWORD,
  PHONE,
  pinCall,
  receiptOf,
  sample,
  SwaigTestBed,
  type ReceivedResponse,
} from '../../test/test-bed.js';
import { exampleAgent } from '../../test/test-policy.js';

const TEXTS = ALL_TEXTS.en;

let bed: SwaigTestBed;
beforeAll(async () => {
  bed = await SwaigTestBed.open();
});
beforeEach(() => {
  bed.requests.length = 0;
  bed.decide = () => ({});
});
afterAll(() => bed.close());

async function requested(
  args: Record<string, unknown>,
  fields: Record<string, unknown> = {},
): Promise<VerificationRequested> {
  const before = bed.requests.length;
  expect((await bed.verify(args, fields)).status).toBe(200);
  expect(bed.requests).toHaveLength(before + 1);
  return bed.requests[before] as VerificationRequested;
}

describe('an attempt', () => {
  it('is sent with the tenant of the credentials, hashed identifiers and an encrypted PIN', async () => {
    const fields = { call_id: 'call-1', tenant: 'umbrella', agent: 'help', project_id: 'umbrella' };
    const request = await requested({ pin: 'oh four two seven' }, fields);
    expect(request).toMatchObject({
      tenant: 'acme',
      agent: 'desk',
      channel: 'swaig',
      method: 'pin',
      repeatSeconds: 60,
      callId: 'call-1',
      subjectKind: 'phone',
      subjectRef: bed.hash.hash('phone', 'acme', PHONE),
      callerKey: bed.hash.callerKey('acme', 'phone', PHONE),
      callerTail: '23',
      commandId: expect.stringMatching(/^swaig-[0-9a-f]{64}$/) as string,
    });
    expect(await bed.pinOf(request)).toBe('0427');
  });

  it('is made for the customer id if there is one, with the key of the caller', async () => {
    for (const customer_id of ['cust-1', ' cust-1 ']) {
      expect(await requested({ pin: '4217', customer_id })).toMatchObject({
        subjectKind: 'id',
        subjectRef: 'cust-1',
        callerKey: bed.hash.callerKey('acme', 'phone', PHONE),
      });
    }
    expect(await requested({ pin: '4217', customer_id: 20017 })).toMatchObject({
      subjectKind: 'id',
      subjectRef: '20017',
    });
    for (const customer_id of ['', '  ', null, {}, []]) {
      expect(await requested({ pin: '4217', customer_id })).toMatchObject({ subjectKind: 'phone' });
    }
  });

  it('is made for an unknown subject if the customer id is invalid, never for the telephone number', async () => {
    for (const customer_id of ["' or 1=1", PHONE, '../etc', 'x'.repeat(200), '\u0000']) {
      const request = await requested({ pin: '4217', customer_id });
      expect(request.subjectKind).toBe('phone');
      expect(request.subjectRef).toMatch(/^[0-9a-f]{64}$/);
      expect(request.subjectRef).not.toBe(bed.hash.hash('phone', 'acme', PHONE));
    }
  });

  it('has the same subject for every spelling of a number and for the same text that is no number', async () => {
    for (const caller_id_num of ['+1 (202) 555-0123', 'tel:+1-202-555-0123']) {
      expect((await requested({ pin: '4217' }, { caller_id_num })).subjectRef).toBe(
        bed.hash.hash('phone', 'acme', PHONE),
      );
    }
    const guest = String(sample('req-docs-webrtc-guest.json')['caller_id_num']);
    const first = await requested({ pin: '4217' }, { caller_id_num: guest });
    expect(first).toMatchObject({
      callerKey: bed.hash.callerKey('acme', 'text', guest),
      callerTail: '',
      subjectKind: 'phone',
    });
    expect((await requested({ pin: '4217' }, { caller_id_num: guest })).subjectRef).toBe(first.subjectRef);
  });

  it('contains the hash of a call id that stores might not accept', async () => {
    for (const call_id of ['\u0000', 'x'.repeat(300), 'a b']) {
      expect((await requested({ pin: '4217' }, { call_id })).callId).toBe(digestOf('call', 'acme', call_id));
    }
    expect((await requested({ pin: '4217' }, { call_id: undefined })).callId).toBeUndefined();
  });

  it('is not made for a malformed PIN, and the response states the required form', async () => {
    for (const pin of ['', '12', '123456789', 'my pin', null, undefined, 12.5, ['4217']]) {
      expect((await bed.verify({ pin })).body).toEqual({ response: TEXTS.bad_pin });
    }
    expect(bed.requests).toHaveLength(0);
  });
});

describe('a redelivery', () => {
  const twice = pinCall({ pin: '4217' });

  it('gets the same answer when it arrives at the same time', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'verified', subjectId: 'cust-1', verificationId: 'v-1' });
    const received = await Promise.all([1, 2, 3].map(() => bed.send({ body: twice })));
    expect(new Set(received.map(({ text }) => text)).size).toBe(1);
    expect(new Set(bed.requests.map(({ commandId }) => commandId)).size).toBe(1);
  });

  it('has the command id and content of the first delivery, and no other call has', async () => {
    const deliver = async (change: Record<string, unknown> = {}): Promise<string[]> => {
      await bed.send({ body: { ...twice, ...change } });
      const request = bed.requests.at(-1) as VerificationRequested;
      return [request.commandId, await bed.contentOf(request)];
    };
    const first = await deliver();
    expect(await deliver()).toEqual(first);
    expect(await deliver({ channel_ready: false, conversation_type: 'voice' })).toEqual(first);
    const pin = (text: string): Record<string, unknown> => ({
      argument: { parsed: [{ pin: text }], raw: JSON.stringify({ pin: text }) },
    });
    const others = [pin('4218'), pin('4 2 1 7'), { call_id: 'other' }, { ai_session_id: 'other' }];
    for (const other of others) expect((await deliver(other))[0]).not.toBe(first[0]);
  });

  it('has other content if it has the same words but another PIN or caller', async () => {
    await bed.send({ body: twice });
    await bed.send({ body: { ...twice, caller_id_num: '+12025550199' } });
    const raw = JSON.stringify({ pin: '4217' });
    await bed.send({ body: { ...twice, argument: { parsed: [{ pin: '9999' }], raw } } });
    expect(new Set(bed.requests.map(({ commandId }) => commandId)).size).toBe(1);
    expect(new Set(await Promise.all(bed.requests.map((one) => bed.contentOf(one)))).size).toBe(3);
  });

  it('is a new command if the platform sends no call id', async () => {
    const body = { ...twice, call_id: undefined };
    await Promise.all([bed.send({ body }), bed.send({ body })]);
    expect(new Set(bed.requests.map(({ commandId }) => commandId)).size).toBe(2);
  });

  it('is a new command for another agent', async () => {
    await bed.publish(exampleAgent('desk-2', 'acme', PASSWORD));
    await bed.send({ body: twice });
    await bed.send({ body: twice, authorization: basic('desk-2', PASSWORD) });
    expect(new Set(bed.requests.map(({ commandId }) => commandId)).size).toBe(2);
  });
});

describe('the answer to verify_pin', () => {
  it.each([
    ['verified', 'Thank you, Pat. How can I help you today?'],
    ['rejected', TEXTS.rejected],
    ['locked', TEXTS.locked],
    ['disabled', TEXTS.locked],
    ['rate_limited', TEXTS.rate_limited.replace('{seconds}', '7')],
    ['unavailable', TEXTS.unavailable],
  ] as const)('has status 200 and the text of the outcome %s', async (outcome, response) => {
    bed.decide = () => ({
      outcome,
      ...(outcome === 'verified'
        ? { level: 'verified', subjectId: 'cust-1', verificationId: 'v-1', displayName: 'Pat' }
        : { retryAfterSeconds: 7, attemptsLeft: 1 }),
    });
    const received = await bed.verify({ pin: '4217' });
    expect(received).toMatchObject({ status: 200, body: { response } });
    expect(received.headers.get('content-type')).toMatch(/^application\/json/);
    expect(received.text.includes('"verified":true')).toBe(outcome === 'verified');
    expect(received.text.includes('"transfer":"true"')).toBe(outcome === 'locked' || outcome === 'disabled');
  });

  it('is unavailable if no decision arrives in time', async () => {
    const shortTimeout = await SwaigTestBed.open({ REPLY_TIMEOUT_MS: '50' });
    shortTimeout.decide = () => undefined;
    expect(await shortTimeout.verify({ pin: '4217' })).toMatchObject({
      status: 200,
      body: { response: TEXTS.unavailable },
    });
    await eventually('it is logged', () => shortTimeout.log.includes('"fault":"REQUEST_TIMED_OUT"'));
    await shortTimeout.close();
  });

  it('is unavailable if another process still decides the attempt', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'verified', conflict: 'in_flight' });
    expect((await bed.verify({ pin: '4217' })).body).toEqual({ response: TEXTS.unavailable });
  });

  it('contains the receipt of a success, which is not in clear on the bus or in the log', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'verified', subjectId: 'cust-1', verificationId: 'v-1' });
    const { body } = await bed.verify({ pin: '4217' });
    const success = { level: 'verified', subjectId: 'cust-1', verificationId: 'v-1' } as const;
    const receipt = receiptOf(success, bed.requests.at(-1));
    expect(body['action']).toContainEqual({ set_meta_data: { receipt } });
    expect(`${bed.bytes}${bed.log}`).not.toContain(receipt);
  });

  it('is unavailable if a success has no receipt that was encrypted for this request', async () => {
    const success = { outcome: 'verified', level: 'verified', subjectId: 'cust-1', verificationId: 'v-1' } as const;
    const foreign = sealReply(receiptOf(success), createReplyKey()) ?? '';
    for (const receipt of ['', receiptOf(success), foreign]) {
      bed.decide = () => ({ ...success, receipt });
      expect((await bed.verify({ pin: '4217' })).body).toEqual({ response: TEXTS.unavailable });
    }
    await eventually('it is logged', () => bed.log.includes('"fault":"SEAL_BROKEN"'));
  });

  it('accepts a decision with a MAC under the reply key of its own request, and with no other', async () => {
    const shortTimeout = await SwaigTestBed.open({ REPLY_TIMEOUT_MS: '300' });
    let other: unknown = createReplyKey();
    const answerWith = (proof: (replyKey: unknown) => SignReply | undefined): void => {
      shortTimeout.decide = async (request) => {
        const { replyKey } = await shortTimeout.secretOf(request);
        shortTimeout.sign = proof(replyKey);
        other = replyKey;
        return { outcome: 'locked' };
      };
    };
    answerWith(answerMac);
    const { body: locked } = await shortTimeout.verify({ pin: '4217' });
    expect(locked).not.toEqual({ response: TEXTS.unavailable });
    for (const proof of [
      () => answerMac(other),
      (key: unknown) => (text: string) => answerMac(key)?.(text.replace('desk', 'help')) ?? '',
    ]) {
      answerWith(proof);
      expect((await shortTimeout.verify({ pin: '4217' })).body).toEqual({ response: TEXTS.unavailable });
    }
    await shortTimeout.close();
  });

  it('is unavailable if the decision is not signed with a key of verification', async () => {
    const shortTimeout = await SwaigTestBed.open({ REPLY_TIMEOUT_MS: '300' });
    const otherKeys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
    for (const sign of [undefined, (text: string) => otherKeys.signAnswer(text)]) {
      shortTimeout.sign = sign;
      for (const outcome of ['verified', 'rejected', 'locked', 'disabled'] as const) {
        shortTimeout.decide = () => ({ outcome, level: 'verified', subjectId: 'cust-1', verificationId: 'v-1' });
        expect((await shortTimeout.verify({ pin: '4217' })).body).toEqual({ response: TEXTS.unavailable });
      }
      shortTimeout.callState = () => ({ verified: true, level: 'verified', subject: 'cust-1' });
      expect((await shortTimeout.call('verification_status', {})).body).toEqual({ response: TEXTS.unavailable });
    }
    expect(shortTimeout.log.match(/without a valid signature/g)).toHaveLength(1);
    await shortTimeout.close();
  });

  it('makes no attempt for hooks, unknown functions, ended calls and functions that are not allowed', async () => {
    const call = async (body: Record<string, unknown>): Promise<ReceivedResponse> =>
      bed.send({ body: { ...pinCall({ pin: '4217' }), ...body } });
    for (const name of ['startup_hook', 'start_hook', 'hangup_hook', 'stop_hook', 'summarize_conversation']) {
      expect((await call({ function: name })).body).toEqual({ response: TEXTS.noted });
    }
    for (const name of ['', 'get_balance', 'toString', '__proto__', 'VERIFY_PIN', 7, null]) {
      expect((await call({ function: name })).body).toEqual({ response: TEXTS.not_offered });
    }
    expect((await call({ channel_active: false })).body).toEqual({ response: TEXTS.after_hang_up });
    expect((await bed.send({ body: sample('req-captured-phone-after-hangup.json') })).body).toEqual({
      response: TEXTS.noted,
    });
    const forbidden = await bed.send({ body: pinCall({ pin: '4217' }), authorization: basic('help', PASSWORD) });
    expect(forbidden.body).toEqual({ response: TEXTS.not_offered });
    expect(bed.requests).toHaveLength(0);
  });

  it('follows a changed policy from the next call on', async () => {
    const texts = { 'en-US': { rejected: 'Nope.' } };
    await bed.publish(exampleAgent('desk', 'acme', PASSWORD, { texts }));
    await eventually(
      'the new text is returned',
      async () => (await bed.verify({ pin: '4217' })).body['response'] === 'Nope.',
    );
    await bed.publish(exampleAgent('desk', 'acme', PASSWORD));
  });
});

describe('a caller over a limit', () => {
  it('is refused from the refusal cache without a request, and the adapter reports the number of refusals', async () => {
    const limitedBy = { dimension: 'caller', retryAfterMs: 60_000 } as const;
    bed.decide = () => ({ outcome: 'rate_limited', retryAfterSeconds: 60, limitedBy });
    const caller_id_num = '+12025550177;verstat=No-TN-Validation';
    const refused = await bed.verify({ pin: '4217' }, { caller_id_num });
    for (let n = 0; n < 20; n++) {
      const again = await bed.verify({ pin: `48${n + 10}` }, { caller_id_num });
      expect(again.body['response']).toEqual(expect.stringContaining('seconds'));
      expect(again.body['action']).toBeUndefined();
    }
    expect(refused.body['response']).toEqual(expect.stringContaining('60 seconds'));
    expect(bed.requests).toHaveLength(1);
    bed.decide = () => ({});
    expect((await bed.verify({ pin: '4217' })).body['response']).toBe(TEXTS.rejected);
    await eventually('all refusals are reported', () => bed.refusals.reduce((sum, { count }) => sum + count, 0) === 20);
    expect(bed.refusals.every(({ dimension, callerTail }) => dimension === 'caller' && callerTail === '77')).toBe(true);
    expect(bed.refusals.every(({ attestation }) => attestation === 'No-TN-Validation')).toBe(true);
    expect(JSON.stringify(bed.refusals)).not.toMatch(/"pin":|sealed|1202555/);
  });
});
