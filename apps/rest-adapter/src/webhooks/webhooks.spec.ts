import { randomUUID } from 'node:crypto';
import { WebhookCreateRequested, WebhookDeleteRequested } from '@countersign/contracts';
import { ADMIN_KEY, AGENT_KEY, API_KEYS, RestTestBed } from '../../test/test-bed.js';

let bed: RestTestBed;

beforeAll(async () => {
  bed = await RestTestBed.open();
});
afterAll(() => bed.close());
beforeEach(() => {
  bed.commands.length = 0;
});

const WEBHOOKS = '/v1/tenants/acme/webhooks';
const BODY = { url: 'https://hooks.example.com/c', eventTypes: ['attempt.decided'] };

describe('the routes of webhooks', () => {
  it('show the secret of a new webhook, which is on the bus only encrypted for this request', async () => {
    bed.answer = (_type, { webhook, url }) => ({ answer: 'created', body: { id: webhook, url } });
    const { status, body, headers } = await bed.call('POST', WEBHOOKS, { key: ADMIN_KEY, body: BODY });
    expect(status).toBe(201);
    expect(body).toEqual({ id: expect.any(String) as unknown, url: BODY.url, secret: bed.webhookSecret });
    expect(headers.get('cache-control')).toBe('no-store');
    const [command] = bed.commands;
    expect(command).toMatchObject({
      type: WebhookCreateRequested.type,
      fields: { tenant: 'acme', ...BODY, actor: { kind: 'administrator' } },
    });
    expect(JSON.parse(String(command?.fields['replyKeys']))).toEqual({
      keys: [expect.not.objectContaining({ d: expect.anything() as unknown }) as unknown],
    });
    expect(bed.bytes).not.toContain(bed.webhookSecret);
    expect(bed.log).not.toContain(bed.webhookSecret);
  });

  it.each([
    ['no URL', { eventTypes: ['*'] }, 'url'],
    ['a URL that is no text', { ...BODY, url: 7 }, 'url'],
    ['a URL with a space', { ...BODY, url: 'https://a b/' }, 'url'],
    ['no kind of event', { ...BODY, eventTypes: [] }, 'eventTypes'],
    ['an unknown kind of event', { ...BODY, eventTypes: ['canary.73918264'] }, 'eventTypes'],
    ['a kind twice', { ...BODY, eventTypes: ['*', '*'] }, 'eventTypes'],
    ['an empty description', { ...BODY, description: '' }, 'description'],
    ['a field that does not exist', { ...BODY, secret: 'whsec_mine' }, 'secret'],
  ])('refuse %s with 422 that names the field and no value', async (_case, body, field) => {
    const { status, body: problem, text } = await bed.call('POST', WEBHOOKS, { key: ADMIN_KEY, body });
    expect(status).toBe(422);
    expect(problem['violations']).toEqual([expect.objectContaining({ field })]);
    expect(text).not.toMatch(/canary|whsec_mine|a b/);
    expect(bed.commands).toEqual([]);
  });

  it('refuse an id that no webhook can have with 422', async () => {
    const call = await bed.call('GET', `${WEBHOOKS}/376acfe0-96ab-20b0-4a28-bc21f8abea50`, { key: ADMIN_KEY });
    expect([call.status, call.body['violations']]).toMatchObject([422, [{ field: 'webhook' }]]);
    expect(bed.commands).toEqual([]);
  });

  it('pass on the rule that the service found broken', async () => {
    const violations = [{ field: 'url', rule: 'must lead to a public address' }];
    bed.answer = () => ({ answer: 'invalid', violations });
    const { status, body } = await bed.call('POST', WEBHOOKS, { key: ADMIN_KEY, body: BODY });
    expect({ status, violations: body['violations'] }).toEqual({ status: 422, violations });
  });

  it.each([
    ['the administrator', ADMIN_KEY, true],
    ['a key with manage alone', API_KEYS.manage, false],
  ] as const)(
    'send whether %s has the scope audit, and name the scope in the 403',
    async (_who, key, hasAuditScope) => {
      bed.answer = () => ({ answer: 'scope_missing' });
      const calls = [
        await bed.call('POST', WEBHOOKS, { key, body: BODY }),
        await bed.call('PATCH', `${WEBHOOKS}/${randomUUID()}`, { key, body: { url: BODY.url } }),
      ];
      expect(bed.commands.map(({ fields }) => fields['hasAuditScope'])).toEqual([hasAuditScope, hasAuditScope]);
      for (const { status, body } of calls) {
        expect([status, body['type']]).toEqual([403, 'urn:countersign:problem:audit-scope-missing']);
        expect(body['detail']).toContain('scope audit');
      }
    },
  );

  it('answer the key of an agent like an unknown path', async () => {
    const unknown = await bed.call('GET', '/v1/unknown', { key: AGENT_KEY });
    const answer = await bed.call('GET', WEBHOOKS, { key: AGENT_KEY });
    expect([answer.status, answer.text]).toEqual([unknown.status, unknown.text]);
    expect(bed.commands).toEqual([]);
  });

  it('delete with the condition of the client, and answer 412 when it is not met', async () => {
    bed.answer = () => ({ answer: 'precondition_failed' });
    const headers = { 'if-match': `"${'a'.repeat(22)}"` };
    const { status } = await bed.call('DELETE', `${WEBHOOKS}/${randomUUID()}`, { key: ADMIN_KEY, headers });
    expect(status).toBe(412);
    expect(bed.commands).toMatchObject([
      { type: WebhookDeleteRequested.type, fields: { preconditions: { ifMatch: ['a'.repeat(22)] } } },
    ]);
  });
});
