import { CallStateRequested, message } from '@countersign/contracts';
import { type ConsumedRecord } from '../broker.js';
import { TestReply, TestRequest, testRequest, textOf } from '../../test/contract-world.js';
import { createDeadLetter } from '../dead-letters/create-dead-letter.js';
import { decode } from './decode.js';
import { contextOf, isExpired, forward, replyTo, requesterOf, toRecord } from './envelope.js';

const CANARY = '8472910365';
const classes = new Map([[TestRequest.type, TestRequest]]);
const consumed = (fields: Partial<ConsumedRecord>): ConsumedRecord => ({
  ...toRecord({ message: testRequest('s', 1) }),
  ...{ partition: 2, offset: '7', timestamp: 0 },
  ...fields,
});

describe('toRecord', () => {
  it('writes the fields of a message without computed ones, and type and id in the headers', () => {
    const written = toRecord({ message: testRequest('subject-1', 1) });
    expect(written).toMatchObject({ topic: TestRequest.topic, key: 'subject-1', headers: { type: TestRequest.type } });
    expect(written.headers['id']).toHaveLength(36);
    expect(JSON.parse(written.value.toString())).toEqual({ subject: 'subject-1', number: 1 });
  });

  it('keeps the id of a message that is sent again', () => {
    expect(toRecord({ message: testRequest('s', 1), headers: { id: 'the-same' } }).headers['id']).toBe('the-same');
  });

  it('names the tenant, agent and call of a message in a header, for fair ordering', () => {
    const request = message(CallStateRequested, { tenant: 'acme', agent: 'desk', callId: 'call 7' });
    expect(requesterOf(toRecord({ message: request }))).toEqual({ tenant: 'acme', agent: 'desk', caller: 'call 7' });
    expect(requesterOf(toRecord({ message: testRequest('s', 1) }))).toEqual({ tenant: '', agent: '', caller: '' });
  });

  it('rejects a reply without an address', () => {
    expect(() => toRecord({ message: message(TestReply, { number: 1 }) })).toThrow('replyTo');
  });
});

describe('the context of a message', () => {
  const trace = { traceparent: 't', tracestate: 'vendor=1' };
  const headers = {
    requester: 'acme desk c',
    'reply-to': 'replies.x',
    'correlation-id': 'c',
    deadline: '1000',
    ...trace,
    other: 'o',
  };

  it('creates a reply to the reply address with the correlation id, and none without a reply address', () => {
    const answer = message(TestReply, { number: 1 });
    const reply = replyTo(contextOf(consumed({ headers }), 0), answer);
    expect(reply).toEqual({
      message: answer,
      topic: 'replies.x',
      headers: { 'correlation-id': 'c', requester: 'acme desk c', ...trace },
    });
    expect(replyTo(contextOf(consumed({ headers: {} }), 0), answer)).toBeUndefined();
  });

  it.each(['limit.commands', 'countersign.facts', 'other.replies.x', ''])(
    'creates no reply to %j, which is not a reply address',
    (address) => {
      const context = contextOf(consumed({ headers: { ...headers, 'reply-to': address } }), 0);
      expect(replyTo(context, message(TestReply, { number: 1 }))).toBeUndefined();
    },
  );

  it('forwards reply address, correlation id, deadline and trace, and no other header', () => {
    const { other, requester, ...kept } = headers;
    expect([other, requester]).toEqual(['o', 'acme desk c']);
    expect(forward(contextOf(consumed({ headers }), 0), testRequest('s', 1)).headers).toEqual(kept);
  });

  it('is expired after the deadline, and never without a numeric deadline', () => {
    const at = (deadline: Record<string, string>, now: number) => contextOf(consumed({ headers: deadline }), now);
    expect(isExpired(at({ deadline: '1000' }, 1_001))).toBe(true);
    expect(isExpired(at({ deadline: '1000' }, 1_000))).toBe(false);
    expect(isExpired(at({}, 1_001))).toBe(false);
    expect(isExpired(at({ deadline: 'soon' }, 1_001))).toBe(false);
  });
});

describe('decode', () => {
  it('returns an instance of the class when a newer sender has added a field', () => {
    const value = Buffer.from(JSON.stringify({ subject: 's', number: 1, added: { later: true } }));
    const read = decode(consumed({ value }), classes);
    expect(read).toBeInstanceOf(TestRequest);
    expect(read.partitionKey).toBe('s');
  });

  it('does not let a sender replace members of the class', () => {
    const value = Buffer.from(
      '{"__proto__":{"partitionKey":"x"},"constructor":1,"partitionKey":"x","subject":"s","number":1}',
    );
    const read = decode(consumed({ value }), classes);
    expect(Object.getPrototypeOf(read)).toBe(TestRequest.prototype);
    expect([read.partitionKey, read.constructor]).toEqual(['s', TestRequest]);
  });

  it.each([
    ['text that is not JSON', `{"subject": ${CANARY}`],
    ['a list', `["${CANARY}"]`],
    ['null', 'null'],
    ['a missing field', `{"subject":"${CANARY}"}`],
    ['a wrong type', `{"subject":"s","number":"${CANARY}"}`],
    ['a computed field', `{"subject":"s","number":"x","partitionKey":"${CANARY}"}`],
  ])('rejects %s as not retriable and does not quote it', (_, text) => {
    let error: unknown;
    try {
      decode(consumed({ value: Buffer.from(text) }), classes);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'MESSAGE_UNREADABLE', retriable: false });
    expect(String(error) + String((error as Error).cause)).not.toContain(CANARY);
  });
});

describe('a dead letter', () => {
  it('names the place of the record and the error, and nothing of its content', () => {
    const record = consumed({ key: CANARY, value: Buffer.from(CANARY), headers: { type: `x ${CANARY}` } });
    const deadLetter = createDeadLetter(record, 'servers', new TypeError(CANARY), 0);
    expect(JSON.stringify(deadLetter) + deadLetter.value.toString()).not.toContain(CANARY);
    expect(deadLetter.headers).toMatchObject({
      'original-offset': '7',
      group: 'servers',
      type: 'record.dead-lettered.v1',
    });
    const digest: unknown = JSON.parse(textOf({ ...record, ...deadLetter }));
    expect(digest).toMatchObject({ recordTopic: TestRequest.topic, partition: 2, offset: '7', code: 'INTERNAL' });
    expect(digest).toMatchObject({ group: 'servers', time: '1970-01-01T00:00:00.000Z', errorClass: 'TypeError' });
    expect(digest).not.toHaveProperty('recordType');
  });

  it('has the same id for the same record and group, and another id for another group', () => {
    const id = (group: string, offset: string): string | undefined =>
      createDeadLetter(consumed({ offset }), group, new Error('x'), Date.now()).headers['id'];
    expect(id('servers', '7')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(id('servers', '7')).toBe(id('servers', '7'));
    expect(new Set([id('servers', '7'), id('servers', '8'), id('others', '7')]).size).toBe(3);
  });
});
