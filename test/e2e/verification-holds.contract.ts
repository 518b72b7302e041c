import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { eventually } from '@countersign/testing';
import { newName, newPhone, newPin, type Agent, type Json } from '../client.js';
import { LOCKED, PIN, POLICY, REJECTED, WRONG, type EnrolledSubject, type World } from './world.js';

const NOT_NOW = { response: 'I am sorry, I cannot verify your identity right now. Please try again later.' };
const NOT_VERIFIED = { verified: false, level: 'none' };
const INACTIVE = { active: false };
const TEST_MS = 60_000;

/** A caller who was verified in a call, with all evidence of it. */
interface VerifiedCall extends EnrolledSubject {
  readonly agent: Agent;
  readonly callId: string;
  readonly verificationId: string;
  readonly receipt: string;
}

/** The state of a call, its receipt and its stored answer agree, and end together. */
export function verificationHolds(world: () => World): void {
  /** Calls a SWAIG function as the platform does. The same `session` and `caller` make it the same delivery. */
  const callFunction = async (
    agent: Agent,
    name: string,
    callId: string,
    args: Json,
    { session, caller } = { session: randomUUID(), caller: newPhone() },
  ): Promise<Json> => {
    const body = {
      function: name,
      argument: { parsed: [args], raw: JSON.stringify(args) },
      ...{ call_id: callId, ai_session_id: session, caller_id_num: caller, channel_active: true },
    };
    const { status, json } = await world().client.post(agent, JSON.stringify(body));
    expect(status).toBe(200);
    return json;
  };
  const verifiedBySwaig = async (agent = world().agent): Promise<VerifiedCall> => {
    const enrolled = await world().enrol();
    const callId = newName('call');
    const args = { pin: PIN, customer_id: enrolled.subject };
    const action = (await callFunction(agent, 'verify_pin', callId, args))['action'] as Record<string, Json>[];
    const found = (name: string): Json => action.find((one) => name in one)?.[name] ?? {};
    const verificationId = String(found('set_global_data')['verification_id']);
    return { ...enrolled, agent, callId, verificationId, receipt: String(found('set_meta_data')['receipt']) };
  };
  const pathOf = (subject: string): string => `/v1/tenants/${world().tenant}/subjects/${subject}`;
  const stateOf = async ({ agent, callId }: Pick<VerifiedCall, 'agent' | 'callId'>): Promise<Json> =>
    (await world().client.agentRequest(agent, 'GET', `/v1/calls/${callId}/verification`)).json;
  const introspect = async ({ agent, receipt }: VerifiedCall, more: Json = {}): Promise<Json> => {
    const { status, json } = await world().client.agentRequest(agent, 'POST', '/v1/receipts/introspect', {
      receipt,
      ...more,
    });
    expect(status).toBe(200);
    return json;
  };
  const statusText = async ({ agent, callId }: VerifiedCall): Promise<unknown> =>
    (await callFunction(agent, 'verification_status', callId, {}))['response'];
  const expectHeld = async (call: VerifiedCall): Promise<void> => {
    expect(await statusText(call)).toBe('The caller is verified by PIN.');
    expect(await stateOf(call)).toMatchObject({ verified: true, level: 'verified', subject: call.subject });
    expect(await introspect(call)).toMatchObject({ active: true, sub: call.subject, jti: call.verificationId });
  };
  const expectEnded = async (call: VerifiedCall): Promise<void> => {
    expect(await statusText(call)).toBe('The caller is not verified.');
    expect(await stateOf(call)).toEqual(NOT_VERIFIED);
    expect(await introspect(call)).toEqual(INACTIVE);
    expect(await introspect(call, { callId: call.callId, consume: true })).toEqual(INACTIVE);
  };

  it(
    'ends at the time that the policy sets, and its receipt no later than the state of the call',
    async () => {
      const { client, tenant } = world();
      const agent = await client.createAgent(tenant, { ...POLICY, verifiedSeconds: 2 });
      const call = await verifiedBySwaig(agent);
      const { iat = 0, exp = 0 } = decodeJwt(call.receipt);
      expect(exp - iat).toBeLessThanOrEqual(2);
      await eventually('the time of the verification is over', async () => (await stateOf(call))['verified'] === false);
      await expectEnded(call);
    },
    TEST_MS,
  );

  it('states the same end in the receipt and in the state of the call when the policy allows less than 300 s', async () => {
    const { client, tenant } = world();
    const agent = await client.createAgent(tenant, { ...POLICY, verifiedSeconds: 120 });
    const call = await verifiedBySwaig(agent);
    const state = await stateOf(call);
    expect(decodeJwt(call.receipt).exp).toBe(Math.floor(Date.parse(String(state['expiresAt'])) / 1000));
    expect(await introspect(call)).toMatchObject({ active: true, exp: decodeJwt(call.receipt).exp });
  });

  it('ends permanently when the subject is erased, even when the same id is created again at once', async () => {
    const { client, tenant } = world();
    const call = await verifiedBySwaig();
    await expectHeld(call);
    await client.manage('DELETE', pathOf(call.subject), undefined, [204]);
    await client.putSubject(tenant, call.subject, { phones: [call.phone], displayName: 'Alex' });
    await client.putPin(tenant, call.subject, PIN);
    await expectEnded(call);
    // The new subject verifies, and the old receipt stays inactive beside the new one.
    const args = { pin: PIN, customer_id: call.subject };
    await callFunction(call.agent, 'verify_pin', call.callId, args);
    expect(await stateOf(call)).toMatchObject({ verified: true, subject: call.subject });
    expect(await introspect(call)).toEqual(INACTIVE);
  });

  it.each<[string, (subject: string) => Promise<unknown>]>([
    ['the PIN was replaced', (subject) => world().client.putPin(world().tenant, subject, newPin())],
    ['the subject was erased', (subject) => world().client.manage('DELETE', pathOf(subject))],
  ])('is not repeated from a stored answer after %s, and the repeated request counts no attempt', async (_, end) => {
    const { client, agent, tenant, enrol } = world();
    const { subject } = await enrol();
    const key = { 'idempotency-key': randomUUID() };
    const guess = { subject, pin: PIN, callId: newName('call') };
    const first = await client.verify(agent, guess, key);
    expect(first.json).toMatchObject({ outcome: 'verified', receipt: expect.any(String) });
    expect((await client.verify(agent, guess, key)).text).toBe(first.text);
    await end(subject);
    for (let n = 0; n < 2; n++) {
      const { status, json } = await client.verify(agent, guess, key);
      expect([status, json['type']]).toEqual([409, 'urn:countersign:problem:verification-ended']);
      expect(Object.keys(json)).not.toContain('receipt');
    }
    expect(await stateOf({ agent, callId: guess.callId })).toEqual(NOT_VERIFIED);
    await client.putSubject(tenant, subject);
    expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 0 });
  });

  it('is not repeated to the platform after the PIN was replaced, neither in words nor in actions', async () => {
    const { client, agent, tenant, enrol } = world();
    const { subject, phone } = await enrol();
    const [callId, delivery] = [newName('call'), { session: randomUUID(), caller: phone }];
    const deliver = () => callFunction(agent, 'verify_pin', callId, { pin: PIN, customer_id: subject }, delivery);
    const first = await deliver();
    expect(first['response']).toBe('Thank you, Alex. How can I help you today?');
    expect(await deliver()).toEqual(first);
    await client.putPin(tenant, subject, newPin());
    expect(await deliver()).toEqual(NOT_NOW);
  });

  it('ends when an administrator sets a new PIN, and when the same PIN is set again', async () => {
    for (const pin of [newPin(), PIN]) {
      const call = await verifiedBySwaig();
      await expectHeld(call);
      await world().client.putPin(world().tenant, call.subject, pin);
      await expectEnded(call);
    }
  });

  it('continues after a new PIN when the policy sets endVerificationOnChange to false, and the old PIN no longer works', async () => {
    const { client, tenant } = world();
    const agent = await client.createAgent(tenant, { ...POLICY, endVerificationOnChange: false });
    const call = await verifiedBySwaig(agent);
    const pin = newPin();
    await client.putPin(tenant, call.subject, pin);
    await expectHeld(call);
    const guess = { pin: PIN, customer_id: call.subject };
    expect(await callFunction(agent, 'verify_pin', call.callId, guess)).toEqual(REJECTED);
    await expectHeld(call);
  });

  it('ends with a wrong PIN for another subject, in the answer, the status, the state and the receipt', async () => {
    const { agent, enrol } = world();
    const call = await verifiedBySwaig();
    const other = await enrol();
    const answer = await callFunction(agent, 'verify_pin', call.callId, { pin: WRONG, customer_id: other.subject });
    expect(answer).toEqual(REJECTED);
    await expectEnded(call);
  });

  it('ends with an attempt at an unknown or a locked subject, as with a wrong PIN for another subject', async () => {
    const { agent, client, enrol } = world();
    const call = await verifiedBySwaig();
    const guess = { pin: WRONG, customer_id: newName('nobody') };
    expect(await callFunction(agent, 'verify_pin', call.callId, guess)).toEqual(REJECTED);
    await expectEnded(call);

    const locked = await enrol();
    for (let n = 0; n < 3; n++) await client.verify(agent, { subject: locked.subject, pin: WRONG });
    const next = await verifiedBySwaig();
    const right = { pin: PIN, customer_id: locked.subject };
    expect(await callFunction(agent, 'verify_pin', next.callId, right)).toEqual(LOCKED);
    await expectEnded(next);
  });

  it('continues after a wrong PIN for the same subject, over either channel', async () => {
    const { client, agent } = world();
    const call = await verifiedBySwaig();
    expect((await client.verify(agent, { subject: call.subject, pin: WRONG, callId: call.callId })).json).toMatchObject(
      {
        outcome: 'rejected',
      },
    );
    await expectHeld(call);
  });
}
