import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createReceiptKeys, ReceiptKeys, Secret } from '@countersign/crypto';
import { ADMIN_KEY, AGENT_KEY, OTHER_AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

const RECEIPT = 'eyJhbGciOiJFZERTQSJ9.canary-of-claims.canary-of-signature';
const INTROSPECT = '/v1/receipts/introspect';
const CALL = '/v1/calls/call-1/verification';
const STRANGER = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));

describe('receipts and calls over REST', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '500' });
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.introspect = () => ({ active: true, claims: { sub: 'alice', jti: 'v-1' } });
    bed.callState = () => ({ verified: true, level: 'verified', subject: 'alice' });
    bed.sign = (text) => bed.receiptKeys.signAnswer(text);
  });
  const introspect = (body: unknown, key = AGENT_KEY) => bed.call('POST', INTROSPECT, { key, body });
  const published = (): Record<string, unknown> => bed.commands.at(-1)?.fields ?? {};

  it('requests the introspection for the tenant of the key, with the receipt encrypted', async () => {
    const { status, body } = await introspect({ receipt: RECEIPT, callId: 'call-1', consume: true });
    expect([status, body]).toEqual([200, { active: true, sub: 'alice', jti: 'v-1' }]);
    expect(published()).toMatchObject({ tenant: 'acme', agent: 'desk', callId: 'call-1', consume: true });
    expect(await bed.unsealed()).toEqual({ receipt: RECEIPT });
    await introspect({ receipt: RECEIPT }, OTHER_AGENT_KEY);
    expect(published()).toMatchObject({ tenant: 'umbrella', agent: 'help', consume: false });
    expect(`${bed.bytes}${bed.log}`).not.toContain('canary-of');
  });

  it('reveals nothing about an inactive receipt, not even what the reply contains', async () => {
    bed.introspect = () => ({ active: false, claims: { sub: 'alice' } });
    expect((await introspect({ receipt: RECEIPT })).body).toEqual({ active: false });
  });

  it('never reports an inactive receipt as active because of a claim', async () => {
    bed.introspect = () => ({ active: false, claims: { active: 'true' } });
    expect((await introspect({ receipt: RECEIPT })).body).toEqual({ active: false });
  });

  it('refuses a malformed introspection without its value', async () => {
    for (const body of [{}, { receipt: 7 }, { receipt: 'canary of text' }, { receipt: RECEIPT, consume: 'yes' }]) {
      const { status, text } = await introspect(body);
      expect([status, text.includes('canary')]).toEqual([422, false]);
    }
  });

  it("returns the state of a call of the key's tenant", async () => {
    const { status, body } = await bed.call('GET', CALL, { key: AGENT_KEY });
    expect([status, body]).toEqual([200, { verified: true, level: 'verified', subject: 'alice' }]);
    expect(published()).toEqual({ tenant: 'acme', agent: 'desk', callId: 'call-1' });
    bed.callState = () => ({});
    const unknown = await bed.call('GET', '/v1/calls/a%2Fb/verification', { key: AGENT_KEY });
    expect([unknown.status, unknown.body]).toEqual([200, { verified: false, level: 'none' }]);
    expect(published()).toMatchObject({ callId: 'a/b' });
    expect((await bed.call('GET', '/v1/calls/a%20b/verification', { key: AGENT_KEY })).status).toBe(422);
  });

  it('refuses the administrator, who has no tenant', async () => {
    expect((await introspect({ receipt: RECEIPT }, ADMIN_KEY)).status).toBe(403);
    expect((await bed.call('GET', CALL, { key: ADMIN_KEY })).status).toBe(403);
  });

  it('is unavailable without a reply, for a receipt as for the state of a call', async () => {
    bed.introspect = () => undefined;
    bed.callState = () => undefined;
    expect((await introspect({ receipt: RECEIPT })).status).toBe(503);
    expect((await bed.call('GET', CALL, { key: AGENT_KEY })).status).toBe(503);
  });

  it('serves the public keys of its settings without a key and without a command, to be cached for a minute', async () => {
    const { status, body, headers } = await bed.call('GET', '/.well-known/jwks.json');
    expect([status, body]).toEqual([200, { keys: bed.receiptKeys.published }]);
    expect(headers.get('cache-control')).toBe('public, max-age=60');
    expect(bed.commands).toHaveLength(0);
  });

  it.each([
    ['has no signature', () => undefined],
    ['was signed by another key', () => (text: string) => STRANGER.signAnswer(text)],
    ['was signed for another question', () => (text: string) => bed.receiptKeys.signAnswer(text.replace('acme', 'x'))],
  ])('does not accept a reply that %s, for a receipt, the state of a call or an erasure', async (_, forger) => {
    bed.sign = forger();
    expect((await introspect({ receipt: RECEIPT })).status).toBe(503);
    expect((await bed.call('GET', CALL, { key: AGENT_KEY })).status).toBe(503);
    expect((await bed.call('DELETE', '/v1/tenants/acme/subjects/alice', { key: ADMIN_KEY })).status).toBe(503);
    expect((await bed.call('PUT', '/v1/tenants/acme', { key: ADMIN_KEY, body: { name: 'Acme' } })).status).toBe(200);
  });
});
