import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { entityTagOf, taggedPartOfSubject } from '@countersign/contracts';
import { ADMIN_KEY, RestTestBed } from '../../test/test-bed.js';

const TENANT = '/v1/tenants/acme';
const AGENT = `${TENANT}/agents/desk`;
const STATE = { tenant: 'acme', name: 'Acme', policy: { greetByName: false } };
const TAG = entityTagOf(STATE);
const OTHER = entityTagOf({ ...STATE, name: 'Other' });

/** The calls that change a resource with an entity tag. */
const CHANGES: [method: string, path: string, body: unknown][] = [
  ['PUT', TENANT, { name: 'Acme' }],
  ['PATCH', TENANT, { name: 'Acme' }],
  ['PATCH', AGENT, { name: 'Desk' }],
  ['DELETE', AGENT, undefined],
  ['PUT', `${AGENT}/policy`, { greetByName: false }],
  ['PATCH', `${AGENT}/policy`, { greetByName: null }],
];

const SUBJECT = `${TENANT}/subjects/customer-1`;
/** Its tag is about a part of it, so the tags of whole resources are not its own. */
const CHANGES_OF_SUBJECTS: typeof CHANGES = [
  ['PUT', SUBJECT, { displayName: 'Ada' }],
  ['PATCH', SUBJECT, { displayName: null }],
  ['DELETE', SUBJECT, undefined],
];

describe('a resource with an entity tag', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.answer = () => ({ answer: 'updated', body: STATE });
  });

  const call = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
    bed.call(method, path, { key: ADMIN_KEY, body, headers });

  it.each([
    ['GET', TENANT, undefined],
    ['GET', AGENT, undefined],
    ['POST', `${TENANT}/disable`, undefined],
    ['POST', `${AGENT}/enable`, undefined],
    ['POST', `${TENANT}/agents`, { agent: 'desk' }],
    ...CHANGES.filter(([method]) => method !== 'DELETE'),
  ])('is returned by %s %s with its tag, which depends on its fields alone', async (method, path, body) => {
    const { status, headers } = await call(method, path, {}, body);
    expect([status < 300, headers.get('etag')]).toEqual([true, `"${TAG}"`]);
    bed.answer = () => ({ answer: 'updated', body: Object.fromEntries(Object.entries(STATE).reverse()) });
    expect((await call(method, path, {}, body)).headers.get('etag')).toBe(`"${TAG}"`);
    bed.answer = () => ({ answer: 'updated', body: { ...STATE, name: 'Other' } });
    expect((await call(method, path, {}, body)).headers.get('etag')).toBe(`"${OTHER}"`);
  });

  it.each([
    ['*', 304],
    [`"${TAG}"`, 304],
    [`W/"${TAG}"`, 304],
    [`"${OTHER}", "x" ,W/"${TAG}"`, 304],
    [`"${OTHER}"`, 200],
    [`W/"${OTHER}", "not-ours"`, 200],
  ])('is read with If-None-Match: %s and the status %i', async (tags, expected) => {
    const { status, headers, text } = await call('GET', TENANT, { 'if-none-match': tags });
    expect([status, headers.get('etag'), text === '']).toEqual([expected, `"${TAG}"`, expected === 304]);
  });

  it.each([['GET', SUBJECT, undefined] as const, ...CHANGES_OF_SUBJECTS.filter(([method]) => method !== 'DELETE')])(
    'is returned by %s %s with a tag of its profile and its times, whatever its counters are',
    async (method, path, body) => {
      const times = { createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z' };
      const profile = { subject: 'customer-1', displayName: 'Ada', locale: 'en-US', phones: ['+1…47'], ...times };
      const tagOf = async (state: Record<string, unknown>): Promise<string | null> => {
        bed.answer = () => ({ answer: 'updated', body: { ...profile, ...state } });
        const { status, headers } = await call(method, path, {}, body);
        expect(status).toBe(200);
        return headers.get('etag');
      };
      const tag = await tagOf({ attemptsInWindow: 0, pinEnrolled: false });
      expect(tag).toBe(`"${entityTagOf(taggedPartOfSubject(profile))}"`);
      expect(await tagOf({ attemptsInWindow: 3, pinEnrolled: true, lockedUntil: '2026-01-01T00:00:00.000Z' })).toBe(
        tag,
      );
      for (const [field, value] of Object.entries(profile)) {
        expect(await tagOf({ [field]: Array.isArray(value) ? [] : `${value}1` })).not.toBe(tag);
      }
    },
  );

  it('is returned in full although the client has its tag, if the tag is about a part of it', async () => {
    const tag = (await call('GET', SUBJECT)).headers.get('etag') ?? '';
    for (const tags of ['*', tag]) {
      const { status, headers, body } = await call('GET', SUBJECT, { 'if-none-match': tags });
      expect([status, headers.get('etag'), body]).toEqual([200, tag, STATE]);
    }
  });

  it.each([...CHANGES, ...CHANGES_OF_SUBJECTS])(
    '%s %s sends the tags of If-Match with its command, without weak and foreign ones',
    async (...of) => {
      const [method, path, body] = of;
      const sent = async (headers: Record<string, string>): Promise<unknown> => {
        expect((await call(method, path, headers, body)).status).toBeLessThan(300);
        return bed.commands.at(-1)?.fields['preconditions'];
      };
      expect(await sent({})).toBeUndefined();
      expect(await sent({ 'if-match': '*' })).toEqual({ ifMatch: ['*'] });
      expect(await sent({ 'if-match': `"${TAG}"` })).toEqual({ ifMatch: [TAG] });
      expect(await sent({ 'if-match': `"${TAG}" ,\t"${OTHER}", "${TAG}"` })).toEqual({ ifMatch: [TAG, OTHER] });
      expect(await sent({ 'if-match': `W/"${TAG}", "not-ours"` })).toEqual({ ifMatch: [] });
      expect(await sent({ 'if-none-match': '*' })).toEqual({ ifNoneMatch: ['*'] });
      expect(await sent({ 'if-match': `"${TAG}"`, 'if-none-match': `W/"${OTHER}"` })).toEqual({
        ...{ ifMatch: [TAG], ifNoneMatch: [OTHER] },
      });
    },
  );

  it.each([...CHANGES, ...CHANGES_OF_SUBJECTS])(
    '%s %s answers 412 when the resource has another tag',
    async (method, path, body) => {
      bed.answer = () => ({ answer: 'precondition_failed' });
      const answered = await call(method, path, { 'if-match': `"${TAG}"` }, body);
      expect([answered.status, answered.body['type']]).toEqual([412, 'urn:countersign:problem:precondition-failed']);
      expect(answered.headers.get('etag')).toBeNull();
    },
  );

  it.each(['', TAG, `"${TAG}`, `"${TAG}" "${OTHER}"`, `"${TAG}", *`, `w/"${TAG}"`, 'W/*'])(
    'refuses the header %j with its name and rule, and sends no command',
    async (value) => {
      for (const header of ['If-Match', 'If-None-Match']) {
        const { status, body, text } = await call('PATCH', TENANT, { [header]: value }, { name: 'Acme' });
        expect([status, body['violations']]).toEqual([422, [{ field: header, rule: expect.any(String) }]]);
        expect(text).not.toContain(TAG);
      }
      expect(bed.commands).toEqual([]);
    },
  );

  it('refuses more than 32 tags in one header', async () => {
    const tags = Array.from({ length: 33 }, (_, index) => `"${entityTagOf({ index })}"`);
    const { status, body } = await call('PATCH', TENANT, { 'if-match': tags.join(',') }, { name: 'Acme' });
    expect([status, body['violations']]).toMatchObject([422, [{ field: 'If-Match' }]]);
    expect((await call('PATCH', TENANT, { 'if-match': tags.slice(1).join(',') }, { name: 'Acme' })).status).toBe(200);
  });
});
