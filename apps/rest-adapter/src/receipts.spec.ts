import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { message, ReceiptKeysAnswered, type Message } from '@countersign/contracts';
import { ManualClock } from '@countersign/testing';
import { ServiceError } from '@countersign/service';
import { CommandBus } from './ports.js';
import { ReceiptKeySet } from './receipt-key-set.js';
import { ADMIN_KEY, AGENT_KEY, OTHER_AGENT_KEY, TestBed } from './test-bed.js';

const RECEIPT = 'eyJhbGciOiJFZERTQSJ9.canary-of-claims.canary-of-signature';
const INTROSPECT = '/v1/receipts/introspect';
const CALL = '/v1/calls/call-1/verification';
const KEY = { kty: 'OKP', crv: 'Ed25519', x: 'public', kid: 'r1', alg: 'EdDSA', use: 'sig' };

describe('receipts and calls over REST', () => {
  let bed: TestBed;
  beforeAll(async () => {
    bed = await TestBed.open({ REPLY_TIMEOUT_MS: '500' });
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.introspect = () => ({ active: true, claims: { sub: 'alice', jti: 'v-1' } });
    bed.callState = () => ({ verified: true, level: 'verified', subject: 'alice' });
    bed.receiptKeys = () => ({ keys: [KEY] });
  });
  const introspect = (body: unknown, key = AGENT_KEY) => bed.call('POST', INTROSPECT, { key, body });
  const asked = (): Record<string, unknown> => bed.commands.at(-1)?.fields ?? {};

  it('asks whether a receipt is good for the tenant of the key, with the receipt under a seal', async () => {
    const { status, body } = await introspect({ receipt: RECEIPT, callId: 'call-1', consume: true });
    expect([status, body]).toEqual([200, { active: true, sub: 'alice', jti: 'v-1' }]);
    expect(asked()).toMatchObject({ tenant: 'acme', agent: 'desk', callId: 'call-1', consume: true });
    expect(await bed.unsealed()).toEqual({ receipt: RECEIPT });
    await introspect({ receipt: RECEIPT }, OTHER_AGENT_KEY);
    expect(asked()).toMatchObject({ tenant: 'umbrella', agent: 'help', consume: false });
    expect(`${bed.bytes}${bed.log}`).not.toContain('canary-of');
  });

  it('tells nothing of a receipt that is not good, not even what came with the answer', async () => {
    bed.introspect = () => ({ active: false, claims: { sub: 'alice' } });
    expect((await introspect({ receipt: RECEIPT })).body).toEqual({ active: false });
  });

  it('never says that a receipt is good because of a claim', async () => {
    bed.introspect = () => ({ active: false, claims: { active: 'true' } });
    expect((await introspect({ receipt: RECEIPT })).body).toEqual({ active: false });
  });

  it('refuses what is no question about a receipt, without its value', async () => {
    for (const body of [{}, { receipt: 7 }, { receipt: 'canary of text' }, { receipt: RECEIPT, consume: 'yes' }]) {
      const { status, text } = await introspect(body);
      expect([status, text.includes('canary')]).toEqual([422, false]);
    }
  });

  it('tells the state of a call of the tenant of the key', async () => {
    const { status, body } = await bed.call('GET', CALL, { key: AGENT_KEY });
    expect([status, body]).toEqual([200, { verified: true, level: 'verified', subject: 'alice' }]);
    expect(asked()).toEqual({ tenant: 'acme', agent: 'desk', callId: 'call-1' });
    bed.callState = () => ({});
    const unknown = await bed.call('GET', '/v1/calls/a%2Fb/verification', { key: AGENT_KEY });
    expect([unknown.status, unknown.body]).toEqual([200, { verified: false, level: 'none' }]);
    expect(asked()).toMatchObject({ callId: 'a/b' });
    expect((await bed.call('GET', '/v1/calls/a%20b/verification', { key: AGENT_KEY })).status).toBe(422);
  });

  it('is for agents: the administrator has no tenant', async () => {
    expect((await introspect({ receipt: RECEIPT }, ADMIN_KEY)).status).toBe(403);
    expect((await bed.call('GET', CALL, { key: ADMIN_KEY })).status).toBe(403);
  });

  it('is unavailable, and says neither yes nor no, when nobody answers', async () => {
    bed.introspect = () => undefined;
    bed.callState = () => undefined;
    expect((await introspect({ receipt: RECEIPT })).status).toBe(503);
    expect((await bed.call('GET', CALL, { key: AGENT_KEY })).status).toBe(503);
  });

  it('publishes the public keys to everybody, and lets them be kept for a minute', async () => {
    const { status, body, headers } = await bed.call('GET', '/.well-known/jwks.json');
    expect([status, body]).toEqual([200, { keys: [KEY] }]);
    expect(headers.get('cache-control')).toBe('public, max-age=60');
    await bed.call('GET', '/.well-known/jwks.json');
    expect(bed.commands).toHaveLength(1);
  });
});

/** Answers as it is told to, at once. */
class ToldBus extends CommandBus {
  asked = 0;
  keys: readonly (typeof KEY)[] | undefined = [KEY];

  override ask<T extends Message>(): Promise<T> {
    this.asked++;
    if (!this.keys) return Promise.reject(new ServiceError('REQUEST_TIMED_OUT', 'no answer', true));
    // The only question that is asked here has this answer.
    return Promise.resolve(
      message(ReceiptKeysAnswered, { commandId: 'command-1', keySet: { keys: this.keys } }) as Message as T,
    );
  }
}

describe('the copy of the public keys', () => {
  const open = () => {
    const [bus, clock] = [new ToldBus(), new ManualClock()];
    return { bus, clock, keySet: new ReceiptKeySet(bus, { milliseconds: 500 }, clock) };
  };

  it('is asked for once a minute, by however many', async () => {
    const { bus, clock, keySet } = open();
    await Promise.all(Array.from({ length: 50 }, () => keySet.get()));
    clock.advance(59_000);
    await keySet.get();
    expect(bus.asked).toBe(1);
    clock.advance(2000);
    bus.keys = [];
    expect(await keySet.get()).toEqual({ keys: [] });
    expect(bus.asked).toBe(2);
  });

  it('stays while nobody answers, and is missing when it never was there', async () => {
    const { bus, clock, keySet } = open();
    bus.keys = undefined;
    await expect(keySet.get()).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' });
    bus.keys = [KEY];
    await keySet.get();
    bus.keys = undefined;
    clock.advance(61_000);
    expect(await keySet.get()).toEqual({ keys: [KEY] });
  });
});
