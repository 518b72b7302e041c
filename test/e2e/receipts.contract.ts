import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { eventually } from '@countersign/testing';
import { newName } from '../client.js';
import { PIN, POLICY, WRONG, type EnrolledSubject, type World } from './world.js';

const INTROSPECT = '/v1/receipts/introspect';
const INACTIVE = { active: false };

/** Evidence for a backend that must not trust the model: receipts, states of calls, and their end. */
export function receipts(world: () => World): void {
  /** Verifies a subject of its own in a call of its own. */
  const verified = async (): Promise<EnrolledSubject & { callId: string; receipt: string; verificationId: string }> => {
    const { client, agent, enrol } = world();
    const callId = randomUUID();
    const { subject, phone } = await enrol();
    const { json } = await client.verify(agent, { subject, pin: PIN, callId });
    const { receipt, verificationId } = json as Record<string, string>;
    return { subject, phone, callId, receipt: receipt ?? '', verificationId: verificationId ?? '' };
  };
  const introspect = async (body: Record<string, unknown>, agent = world().agent): Promise<unknown> => {
    const { status, json } = await world().client.agentRequest(agent, 'POST', INTROSPECT, body);
    expect(status).toBe(200);
    return json;
  };
  const stateOf = async (callId: string, agent = world().agent): Promise<unknown> => {
    const { status, json } = await world().client.agentRequest(agent, 'GET', `/v1/calls/${callId}/verification`);
    expect(status).toBe(200);
    return json;
  };
  const anotherTenant = async (): Promise<World['agent']> => {
    const tenant = newName('tenant');
    await world().client.putTenant(tenant, POLICY);
    return world().client.createAgent(tenant);
  };

  it('is verified by a third-party library with the published keys, and an altered one is not', async () => {
    const { client, tenant, agent } = world();
    const { receipt, subject, callId, verificationId } = await verified();
    const keys = createRemoteJWKSet(new URL(`${client.product.restUrls()[0]}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(receipt, keys, { audience: tenant, algorithms: ['EdDSA'] });
    expect(payload).toEqual({
      iss: expect.any(String),
      ...{ aud: tenant, sub: subject, call_id: callId, agent: agent.agent, level: 'verified', method: 'pin' },
      ...{ jti: verificationId, iat: expect.any(Number), exp: (payload.iat ?? 0) + 300 },
    });
    await expect(jwtVerify(receipt, keys, { audience: 'another' })).rejects.toThrow('"aud"');
    const [header, claims = '', signature] = receipt.split('.');
    const widened = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
    const text = Buffer.from(JSON.stringify({ ...widened, sub: 'somebody-else' })).toString('base64url');
    await expect(jwtVerify(`${header}.${text}.${signature}`, keys)).rejects.toThrow('signature');
    expect(await introspect({ receipt: `${header}.${text}.${signature}` })).toEqual(INACTIVE);
  });

  it('is active for its tenant and call alone, and once when it is consumed', async () => {
    const { receipt, subject, callId, verificationId } = await verified();
    const stranger = await anotherTenant();
    expect(await introspect({ receipt, callId })).toMatchObject({ active: true, sub: subject, jti: verificationId });
    expect(await introspect({ receipt, callId: 'another-call' })).toEqual(INACTIVE);
    expect(await introspect({ receipt, consume: true }, stranger)).toEqual(INACTIVE);
    const answers = await Promise.all(Array.from({ length: 8 }, () => introspect({ receipt, callId, consume: true })));
    expect(answers.filter((answer) => (answer as { active: boolean }).active)).toHaveLength(1);
    expect(await introspect({ receipt, callId })).toEqual(INACTIVE);
    expect(await introspect({ receipt: 'no.such.receipt' })).toEqual(INACTIVE);
  });

  it('reaches a voice agent as meta data of the call, which no model reads', async () => {
    const { client, agent, enrol } = world();
    const { phone, subject } = await enrol();
    const callId = randomUUID();
    const { json } = await client.swaig(agent, { pin: PIN, caller: phone, callId });
    const actions = json['action'] as Record<string, Record<string, unknown>>[];
    const receipt = actions.find((action) => 'set_meta_data' in action)?.['set_meta_data']?.['receipt'];
    expect(await introspect({ receipt, callId })).toMatchObject({ active: true, sub: subject, call_id: callId });
  });

  it('is the same one when the request is repeated', async () => {
    const { client, agent, enrol } = world();
    const { subject } = await enrol();
    const key = { 'idempotency-key': randomUUID() };
    const first = await client.verify(agent, { subject, pin: PIN }, key);
    const again = await client.verify(agent, { subject, pin: PIN }, key, 1);
    expect(first.json).toMatchObject({ outcome: 'verified' });
    expect(again.text).toBe(first.text);
  });

  it('agrees with the state of the call, which a failure does not change and no other tenant sees', async () => {
    const { client, agent } = world();
    const { subject, callId, verificationId } = await verified();
    const stranger = await anotherTenant();
    const nothing = { verified: false, level: 'none' };
    await client.verify(agent, { subject, pin: WRONG, callId });
    expect(await stateOf(callId)).toEqual({
      ...{ verified: true, level: 'verified', subject, verificationId },
      ...{ verifiedAt: expect.any(String), expiresAt: expect.any(String) },
    });
    expect(await stateOf(callId, stranger)).toEqual(nothing);
    expect(await stateOf(randomUUID())).toEqual(nothing);
  });

  it('is inactive after its subject is erased, and only the attempt count of the subject remains', async () => {
    const { client, tenant, agent } = world();
    const { subject, phone, callId, receipt } = await verified();
    const path = `/v1/tenants/${tenant}/subjects/${subject}`;
    for (let n = 0; n < 2; n++) await client.verify(agent, { subject, pin: WRONG });
    expect((await client.manage('DELETE', path)).status).toBe(204);
    await client.manage('DELETE', path, undefined, [404]);
    await client.manage('GET', path, undefined, [404]);
    expect(await introspect({ receipt, callId })).toEqual(INACTIVE);
    expect(await stateOf(callId)).toEqual({ verified: false, level: 'none' });

    // A new subject with the same id and number starts with the old attempt window.
    await client.putSubject(tenant, subject, { phones: [phone] });
    await client.putPin(tenant, subject, PIN);
    expect((await client.verify(agent, { subject, pin: WRONG })).json).toMatchObject({ outcome: 'locked' });
    await eventually('the state shows the lock', async () => 'lockedUntil' in (await client.state(tenant, subject)));
  });
}
