import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { openWorld, PIN, type World } from '../e2e/world.js';
import { newName, newPhone, type HttpAnswer, type Json } from '../client.js';
import { startEmbedded, type EmbeddedProduct } from '../product.js';

const START_MS = 120_000;
const TEST_MS = 60_000;
const REFUSED = 'There have been too many requests';

describe('an attacker who looks for work that no limit counts', () => {
  let product: EmbeddedProduct;
  let world: World;
  beforeAll(async () => {
    product = await startEmbedded();
    world = await openWorld(product);
  }, START_MS);
  afterAll(() => product.remove(), START_MS);

  /** How many hashes the whole product has computed. */
  async function hashes(): Promise<number> {
    const { text } = await world.client.request(`${product.opsUrls()[0] ?? ''}/metrics`, {});
    return Number(/^countersign_hash_seconds_count\S* (\d+)/m.exec(text)?.[1] ?? '0');
  }
  /** Calls a function as the platform does. */
  async function call(name: string, args: Json, callId: string, more: Json = {}): Promise<string> {
    const { client, agent } = world;
    const body = {
      function: name,
      argument: { parsed: [args], raw: JSON.stringify(args) },
      ...{ call_id: callId, ai_session_id: 'session-1', caller_id_num: newPhone(), channel_active: true, ...more },
    };
    const { status, json } = await client.post(agent, JSON.stringify(body));
    expect(status).toBe(200);
    return String(json['response']);
  }

  it(
    'causes no hash by repeating a refused change of a PIN under one Idempotency-Key',
    async () => {
      const { subject } = await world.enrol();
      const { client, agent, tenant } = world;
      const path = `/v1/tenants/${tenant}/subjects/${subject}/pin/change`;
      const change = (): Promise<HttpAnswer> =>
        client.request(`${product.restUrls()[0] ?? ''}${path}`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${agent.apiKey}`,
            'content-type': 'application/json',
            'idempotency-key': `change-of-${subject}`,
          },
          body: JSON.stringify({ currentPin: PIN, newPin: PIN }),
        });
      const first = await change();
      expect(first).toMatchObject({ status: 422, json: { violations: [{ field: 'newPin' }] } });
      const before = await hashes();
      for (let n = 0; n < 100; n++) expect((await change()).text).toBe(first.text);
      expect(await hashes()).toBe(before);
    },
    TEST_MS,
  );

  it(
    "has at most twenty new PINs of one subject hashed in a minute, with the administrator's key too",
    async () => {
      const { client, tenant } = world;
      const subject = newName('customer');
      await client.putSubject(tenant, subject);
      const path = `/v1/tenants/${tenant}/subjects/${subject}/pin`;
      const statuses: number[] = [];
      for (let n = 0; n < 25; n++) {
        statuses.push((await client.manage('PUT', path, { pin: PIN }, [204, 429])).status);
      }
      expect(statuses).toEqual([...Array<number>(20).fill(204), ...Array<number>(5).fill(429)]);
      const { headers, json } = await client.manage('PUT', path, { pin: PIN }, [429]);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(json['type']).toBe('urn:countersign:problem:quota-exceeded');
    },
    TEST_MS,
  );

  it.each<[string, Json]>([
    ['verification_status', {}],
    ['request_transfer', { department: 'support' }],
    ['request_transfer', { department: 'nowhere' }],
    ['collect_pin', {}],
    ['no_such_function', {}],
    ['verify_pin', { pin: 'no digits at all' }],
  ])(
    'is refused at the eleventh use of %s in one call, also when the same arguments are repeated: %j',
    async (name, args) => {
      const callId = newName('call');
      const refused: boolean[] = [];
      for (let n = 0; n < 14; n++) refused.push((await call(name, args, callId)).startsWith(REFUSED));
      expect(refused).toEqual([...Array<boolean>(10).fill(false), ...Array<boolean>(4).fill(true)]);
    },
    TEST_MS,
  );

  it(
    'causes no more transfer facts than the limit of a call, and one fact that counts the refusals',
    async () => {
      const callId = newName('call');
      for (let n = 0; n < 60; n++) await call('request_transfer', { department: 'support', n }, callId);
      await eventually('the refusals are on record', async () => {
        const { text } = await world.client.request(`${product.opsUrls()[0] ?? ''}/metrics`, {});
        return /countersign_limit_decisions_total\{[^}]*outcome="refused"[^}]*dimension="call"[^}]*\} [1-9]/.test(text);
      });
      expect((await call('request_transfer', { department: 'support' }, callId)).startsWith(REFUSED)).toBe(true);
      expect(await call('hangup_hook', {}, callId)).not.toContain(REFUSED);
    },
    TEST_MS,
  );

  it(
    'uses up the quota of its agent with requests about calls and receipts, and gets 429 with Retry-After',
    async () => {
      const { client, tenant } = world;
      const quota = { limits: { agent: { limit: 20, periodSeconds: 600 } } };
      const agent = await client.createAgent(tenant, quota);
      const statuses: number[] = [];
      for (let n = 0; n < 40; n++) {
        const answer =
          n % 2 === 0
            ? await client.agentRequest(agent, 'GET', `/v1/calls/${newName('call')}/verification`)
            : await client.agentRequest(agent, 'POST', '/v1/receipts/introspect', { receipt: 'e30.e30.c2ln' });
        statuses.push(answer.status);
        if (answer.status === 429) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      // Creating the agent has already used a part of the quota.
      expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(20);
      expect(statuses.lastIndexOf(200)).toBeLessThan(statuses.indexOf(429));
      expect(statuses.at(-1)).toBe(429);
    },
    TEST_MS,
  );
});
