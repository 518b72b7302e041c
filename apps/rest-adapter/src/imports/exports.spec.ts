import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiKeyRemoved, message, SubjectListRequested, TOPICS, type FactRecorded } from '@countersign/contracts';
import { toRecord } from '@countersign/messaging';
import { eventually } from '@countersign/testing';
import { ADMIN_KEY, AGENT_KEY, API_KEYS, RestTestBed } from '../../test/test-bed.js';

const PATH = '/v1/tenants/acme/subjects:export';
/** Subjects of the tenant, of about 1 KB each. */
const COUNT = 1001;
const SUBJECTS = Array.from({ length: COUNT }, (_, n) => ({
  ...{ subject: `s-${String(n).padStart(5, '0')}`, displayName: 'x'.repeat(1_000), phones: ['+1…47'] },
}));

let bed: RestTestBed;
const facts: FactRecorded[] = [];

beforeEach(async () => {
  bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '300' });
  bed.answer = (_type, fields) => pageOf(SUBJECTS, fields);
  facts.length = 0;
  await bed.broker.ensureTopics([TOPICS.facts]);
  const group = { group: 'audit', topics: [TOPICS.facts.name], onFatal: () => undefined };
  const taken = await bed.broker.consume(group, ({ value }) => {
    facts.push(JSON.parse(value.toString()) as FactRecorded);
    return Promise.resolve();
  });
  await taken.ready;
});
afterEach(() => bed.close());

/** A page as verification answers it. */
function pageOf(subjects: readonly { subject: string }[], { limit, cursor = '' }: Record<string, unknown>) {
  const following = subjects.filter(({ subject }) => subject > String(cursor));
  const items = following.slice(0, Number(limit));
  const nextCursor = following.length > items.length ? items.at(-1)?.subject : null;
  return { answer: 'found', body: { items, nextCursor } } as const;
}

async function get(key: string = ADMIN_KEY, method = 'GET') {
  const response = await fetch(`${bed.adapter.urls['rest']}${PATH}`, {
    ...{ method, headers: { authorization: `Bearer ${key}` } },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

const parse = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));

/** Begins an export whose answer is not read. */
function begin(key: string = ADMIN_KEY): {
  readonly request: ClientRequest;
  readonly response: Promise<IncomingMessage>;
} {
  const request = httpRequest(`${bed.adapter.urls['rest']}${PATH}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  const response = new Promise<IncomingMessage>((resolve) => request.once('response', resolve));
  request.on('error', () => undefined).end();
  return { request, response };
}

const pagesRead = (): number => bed.commands.filter(({ type }) => type === SubjectListRequested.type).length;

describe('GET subjects:export', () => {
  it('has every subject of all pages in their order, and records one event with actor and count', async () => {
    const { status, headers, text } = await get(API_KEYS['manage:read']);
    expect([status, headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
    expect(parse(text)).toEqual(SUBJECTS);
    expect(bed.commands.map(({ fields }) => [fields['limit'], fields['cursor']])).toEqual([
      ...[undefined, 's-00199', 's-00399', 's-00599', 's-00799', 's-00999'].map((cursor) => [200, cursor]),
    ]);
    await eventually('the event is recorded', () => facts.length > 0);
    expect(facts).toMatchObject([
      {
        ...{ kind: 'subjects.exported', tenant: 'acme', channel: 'rest' },
        actor: { kind: 'key', id: 'key_manage_read', sourceAddress: '127.0.0.1' },
        detail: { count: COUNT, isComplete: true },
      },
    ]);
  });

  it('is empty for a tenant without subjects, and not found for a tenant that does not exist', async () => {
    bed.answer = () => ({ answer: 'found', body: { items: [], nextCursor: null } });
    expect(await get()).toMatchObject({ status: 200, text: '' });
    bed.answer = () => ({ answer: 'not_found' });
    const { status, text } = await get();
    expect([status, JSON.parse(text)]).toMatchObject([404, { type: 'urn:countersign:problem:not-found' }]);
    const hidden = await get(AGENT_KEY);
    expect([hidden.status, hidden.text]).toEqual([404, text]);
  });

  it('reads no more pages than the client takes, and ends with the connection of the client', async () => {
    // 20 MB, more than the buffers of a connection hold.
    const many = Array.from({ length: 20_000 }, (_, n) => ({
      ...{ subject: `s-${String(n).padStart(5, '0')}`, displayName: 'x'.repeat(1_000) },
    }));
    bed.answer = (_type, fields) => pageOf(many, fields);
    const { request, response } = begin();
    (await response).pause();
    let before = 0;
    let polls = 0;
    const isUnchanged = (): boolean => {
      polls = pagesRead() === before ? polls + 1 : 0;
      before = pagesRead();
      return before > 0 && polls > 30;
    };
    await eventually('no further page is read', isUnchanged, 20_000);
    request.destroy();
    await eventually('the event is recorded', () => facts.length > 0);
    expect(facts).toMatchObject([{ detail: { isComplete: false } }]);
    expect(pagesRead()).toBeLessThan(100);
    bed.answer = (_type, fields) => pageOf(SUBJECTS, fields);
    expect((await get()).status).toBe(200);
  });

  it('ends with a problem as the last line when a page cannot be read', async () => {
    bed.answer = (_type, fields) =>
      fields['cursor'] === 's-00399' ? { answer: 'unavailable' } : pageOf(SUBJECTS, fields);
    const lines = parse((await get()).text);
    expect(lines.slice(0, -1)).toEqual(SUBJECTS.slice(0, 400));
    expect(lines.at(-1)).toMatchObject({ type: 'urn:countersign:problem:unavailable', status: 503 });
    await eventually('the event is recorded', () => facts.length > 0);
    expect(facts).toMatchObject([{ detail: { count: 400, isComplete: false } }]);
  });

  describe('with a key that is deleted while it runs', () => {
    const removeKey = () =>
      bed.broker.send([toRecord({ message: message(ApiKeyRemoved, { keyId: 'key_manage_read' }) })]);
    const isRefused = async (): Promise<boolean> =>
      (await bed.call('GET', '/v1/tenants/acme', { key: API_KEYS['manage:read'] })).status === 401;

    it('ends before the next page, with a problem as the last line', async () => {
      bed.answer = async (_type, fields) => {
        if (fields['cursor'] === 's-00399') {
          await removeKey();
          await eventually('the key is refused', isRefused);
        }
        return fields['limit'] === undefined ? { answer: 'found' } : pageOf(SUBJECTS, fields);
      };
      const lines = parse((await get(API_KEYS['manage:read'])).text);
      expect(lines.slice(0, -1)).toEqual(SUBJECTS.slice(0, 400));
      expect(lines.at(-1)).toMatchObject({ type: 'urn:countersign:problem:unauthorized', status: 401 });
      await eventually('the event is recorded', () => facts.length > 0);
      expect(facts).toMatchObject([{ detail: { isComplete: false } }]);
    });

    it('ends within a second although its client does not read', async () => {
      const many = Array.from({ length: 20_000 }, (_, n) => ({
        ...{ subject: `s-${String(n).padStart(5, '0')}`, displayName: 'x'.repeat(1_000) },
      }));
      bed.answer = (_type, fields) => pageOf(many, fields);
      (await begin(API_KEYS['manage:read']).response).pause();
      await eventually('pages are read', () => pagesRead() > 1);
      await removeKey();
      await eventually('the export ends', () => facts.length > 0, 1_500);
      expect(facts).toMatchObject([{ detail: { isComplete: false } }]);
    });
  });

  it('requests a page again when nothing answered', async () => {
    let isLost = false;
    bed.answer = (_type, fields) => {
      if (fields['cursor'] === undefined || isLost) return pageOf(SUBJECTS, fields);
      isLost = true;
      return undefined;
    };
    expect(parse((await get()).text)).toEqual(SUBJECTS);
    expect([isLost, pagesRead()]).toEqual([true, 7]);
  });

  it('gives no client all subjects while its event cannot be published', async () => {
    const send = bed.broker.send.bind(bed.broker);
    bed.broker.send = (records) =>
      records.some(({ topic }) => topic === TOPICS.facts.name)
        ? Promise.reject(new Error('the broker is down'))
        : send(records);
    const lines = parse((await get()).text);
    expect(lines.slice(0, -1)).toEqual(SUBJECTS.slice(0, 1000));
    expect(lines.at(-1)).toMatchObject({ type: 'urn:countersign:problem:unavailable' });
  });

  it('answers a second export of the tenant with 429 while one runs, also one whose client has gone', async () => {
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    bed.answer = async (_type, fields) => {
      await held;
      return pageOf(SUBJECTS, fields);
    };
    const { request } = begin();
    await eventually('the first page is requested', () => pagesRead() === 1);
    const second = await get();
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '5']);
    request.destroy();
    release?.();
    await eventually('another export begins', async () => (await get()).status === 200);
  });

  it('reads one page for a HEAD request, and records nothing', async () => {
    const { status, text } = await get(ADMIN_KEY, 'HEAD');
    expect([status, text, pagesRead()]).toEqual([200, '', 1]);
    expect((await get()).status).toBe(200);
    await eventually('the event is recorded', () => facts.length > 0);
    expect(facts).toHaveLength(1);
  });
});
