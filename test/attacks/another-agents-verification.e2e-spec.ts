import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openWorld, PIN, POLICY, WRONG, type World } from '../e2e/world.js';
import { newName, type Agent, type Json } from '../client.js';
import { startEmbedded, type EmbeddedProduct } from '../product.js';

const START_MS = 120_000;
const TEST_MS = 60_000;
const NOT_VERIFIED = { verified: false, level: 'none' };
const INACTIVE = { active: false };
const QUESTIONS = [{ name: 'pet', description: 'Name of the first pet', kind: 'text' }];
const WAIVED = {
  ...POLICY,
  knowledge: { questions: QUESTIONS, waiver: { owner: 'Ada', reason: 'old contracts', expires: '2999-01-01' } },
};
const STRICT = { ...POLICY, knowledge: { questions: QUESTIONS, waiver: null } };

describe('an attacker who is verified at one agent and speaks with another agent of the tenant in the same call', () => {
  let product: EmbeddedProduct;
  let world: World;
  let waived: Agent;
  let strict: Agent;
  beforeAll(async () => {
    product = await startEmbedded();
    world = await openWorld(product);
    waived = await world.client.createAgent(world.tenant, WAIVED);
    strict = await world.client.createAgent(world.tenant, STRICT);
  }, START_MS);
  afterAll(() => product.remove(), START_MS);

  const stateAt = async (agent: Agent, callId: string): Promise<Json> =>
    (await world.client.agentRequest(agent, 'GET', `/v1/calls/${callId}/verification`)).json;
  const introspectAt = async (agent: Agent, receipt: unknown, more: Json = {}): Promise<Json> =>
    (await world.client.agentRequest(agent, 'POST', '/v1/receipts/introspect', { receipt, ...more })).json;
  /** The answer to the model of an agent in this call. */
  const statusAt = async ({ agent, password }: Agent, callId: string): Promise<unknown> => {
    const body = { function: 'verification_status', argument: { parsed: [{}], raw: '{}' }, call_id: callId };
    return (await world.client.post({ agent, password }, JSON.stringify(body))).json['response'];
  };
  const enrol = async (): Promise<string> => {
    const { subject } = await world.enrol();
    const path = `/v1/tenants/${world.tenant}/subjects/${subject}/knowledge`;
    await world.client.manage('PUT', path, { answers: { pet: 'Rumpelstilz' } });
    return subject;
  };
  const answerAt = async (agent: Agent, subject: string, callId: string): Promise<Json> => {
    const guess = { method: 'knowledge', subject, callId, answers: { pet: 'Rumpelstilz' } };
    const { json } = await world.client.agentRequest(agent, 'POST', '/v1/verifications', guess);
    expect(json).toMatchObject({ outcome: 'verified' });
    return json;
  };
  const pinAt = async (agent: Agent, subject: string, callId: string): Promise<Json> => {
    const { json } = await world.client.verify(agent, { subject, pin: PIN, callId });
    expect(json).toMatchObject({ outcome: 'verified', level: 'verified' });
    return json;
  };

  it(
    'gets no level at a stricter agent from knowledge answers that reach the level verified at an agent with a waiver',
    async () => {
      const [subject, callId] = [await enrol(), newName('call')];
      const { receipt, level } = await answerAt(waived, subject, callId);
      expect(level).toBe('verified');
      expect(await stateAt(waived, callId)).toMatchObject({ verified: true, level: 'verified', subject });
      expect(await stateAt(strict, callId)).toEqual(NOT_VERIFIED);
      expect(await statusAt(strict, callId)).toBe('The caller is not verified.');
      for (const more of [{}, { callId }, { callId, consume: true }]) {
        expect(await introspectAt(strict, receipt, more)).toEqual(INACTIVE);
      }
      // The stricter agent could not consume the receipt, so it is still valid.
      expect(await introspectAt(waived, receipt, { callId, consume: true })).toMatchObject({ active: true });
    },
    TEST_MS,
  );

  it(
    'gets the level identified, for the shorter time, at a stricter agent that trusts the first one',
    async () => {
      const trusting = await world.client.createAgent(world.tenant, {
        ...STRICT,
        ...{ trustsCallsOf: [waived.agent], verifiedSeconds: 60 },
      });
      const [subject, callId] = [await enrol(), newName('call')];
      const { receipt } = await answerAt(waived, subject, callId);
      const state = await stateAt(trusting, callId);
      expect(state).toMatchObject({ verified: true, level: 'identified', subject });
      expect(Date.parse(String(state['expiresAt'])) - Date.parse(String(state['verifiedAt']))).toBe(60_000);
      expect(await statusAt(trusting, callId)).toBe('The caller has answered the security questions.');
      const read = await introspectAt(trusting, receipt, { callId });
      expect(read).toMatchObject({ active: true, level: 'identified', agent: waived.agent, sub: subject });
      expect(Number(read['exp']) * 1000).toBeLessThanOrEqual(Date.parse(String(state['expiresAt'])));
      expect(await stateAt(waived, callId)).toMatchObject({ level: 'verified' });
    },
    TEST_MS,
  );

  it(
    'gets no level at an agent that trusts the first one only indirectly, nor at the trusted agent in return',
    async () => {
      const middle = await world.client.createAgent(world.tenant, { ...STRICT, trustsCallsOf: [waived.agent] });
      const last = await world.client.createAgent(world.tenant, { ...STRICT, trustsCallsOf: [middle.agent] });
      const [subject, callId] = [await enrol(), newName('call')];
      await pinAt(waived, subject, callId);
      expect(await stateAt(middle, callId)).toMatchObject({ level: 'verified', subject });
      expect(await stateAt(last, callId)).toEqual(NOT_VERIFIED);
      const otherCall = newName('call');
      await pinAt(middle, subject, otherCall);
      expect(await stateAt(waived, otherCall)).toEqual(NOT_VERIFIED);
    },
    TEST_MS,
  );

  it(
    "cannot replace who a call is verified as with another agent's API key, by a success or by a failure",
    async () => {
      const trusting = await world.client.createAgent(world.tenant, { ...STRICT, trustsCallsOf: [waived.agent] });
      const [alice, mallory, callId] = [await enrol(), await enrol(), newName('call')];
      const { receipt } = await pinAt(strict, alice, callId);
      await pinAt(waived, mallory, callId);
      await world.client.verify(waived, { subject: mallory, pin: WRONG, callId });
      await world.client.verify(waived, { subject: newName('nobody'), pin: WRONG, callId });
      expect(await stateAt(strict, callId)).toMatchObject({ verified: true, subject: alice });
      expect(await statusAt(strict, callId)).toBe('The caller is verified by PIN.');
      expect(await introspectAt(strict, receipt, { callId })).toMatchObject({ active: true, sub: alice });

      // The same where the agent trusts the other: its own success takes precedence over a later one of the other agent.
      const another = newName('call');
      await pinAt(trusting, alice, another);
      await pinAt(waived, mallory, another);
      expect(await stateAt(trusting, another)).toMatchObject({ verified: true, subject: alice });
    },
    TEST_MS,
  );

  it(
    'learns nothing about a call from another tenant that trusts an agent of the same name',
    async () => {
      const tenant = newName('tenant');
      await world.client.putTenant(tenant, POLICY);
      const stranger = await world.client.createAgent(tenant, { ...STRICT, trustsCallsOf: [waived.agent] });
      const [subject, callId] = [await enrol(), newName('call')];
      const { receipt } = await pinAt(waived, subject, callId);
      expect(await stateAt(stranger, callId)).toEqual(NOT_VERIFIED);
      expect(await introspectAt(stranger, receipt)).toEqual(INACTIVE);
    },
    TEST_MS,
  );

  it(
    'learns nothing about the calls of a deleted agent from one that was created again under its id',
    async () => {
      const deleted = await world.client.createAgent(world.tenant, WAIVED);
      const trusting = await world.client.createAgent(world.tenant, { ...STRICT, trustsCallsOf: [deleted.agent] });
      const [subject, callId] = [await enrol(), newName('call')];
      const { receipt } = await pinAt(deleted, subject, callId);
      expect(await stateAt(trusting, callId)).toMatchObject({ level: 'verified', subject });
      const path = `/v1/tenants/${world.tenant}/agents`;
      await world.client.manage('DELETE', `${path}/${deleted.agent}`, undefined, [204]);
      const { json } = await world.client.manage('POST', path, { agent: deleted.agent, policy: WAIVED });
      const again = { ...deleted, password: String(json['password']), apiKey: String(json['apiKey']) };
      for (const agent of [again, trusting]) {
        expect(await stateAt(agent, callId)).toEqual(NOT_VERIFIED);
        expect(await introspectAt(agent, receipt, { callId })).toEqual(INACTIVE);
      }
      expect(await statusAt(again, callId)).toBe('The caller is not verified.');
      await pinAt(again, subject, callId);
      expect(await stateAt(trusting, callId)).toMatchObject({ level: 'verified', subject });
    },
    TEST_MS,
  );
});
