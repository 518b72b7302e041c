import { beforeAll, expect, it } from '@jest/globals';
import { Client, newName, type Agent } from '../client.js';
import { type SeparateProduct } from '../product.js';

const AGENTS = 20;

/** Kills an adapter in the end. */
export function confirmedChanges(product: () => SeparateProduct): void {
  let client: Client;
  const tenant = newName('tenant');

  beforeAll(async () => {
    client = new Client(product());
    await client.putTenant(tenant);
  });

  /** Without the helper of the client, which waits until every adapter knows the agent. */
  const createAgent = async (): Promise<Agent> => {
    const agent = newName('agent');
    const { json } = await client.manage('POST', `/v1/tenants/${tenant}/agents`, { agent });
    return { tenant, agent, password: String(json['password']), apiKey: String(json['apiKey']) };
  };
  /** The status of the very next request at each SWAIG adapter. */
  const swaigStatuses = async (agent: Agent): Promise<number[]> => {
    const answers = await Promise.all([0, 1].map((copy) => client.signature(agent, copy)));
    return answers.map(({ status }) => status);
  };
  /** The outcome of the very next verification through each REST adapter. */
  const restOutcomes = async (agent: Agent): Promise<unknown[]> => {
    const attempt = { subject: newName('subject'), pin: '48213' };
    const answers = await Promise.all([0, 1].map((copy) => client.verify(agent, attempt, {}, copy)));
    return answers.map(({ json }) => json['outcome']);
  };

  it(`lets each of ${AGENTS} new agents send its very next request to every adapter`, async () => {
    for (let count = 0; count < AGENTS; count++) {
      const agent = await createAgent();
      expect(await swaigStatuses(agent)).toEqual([200, 200]);
      // Unless the limiter and verification know the agent, too, the outcome is `unavailable`.
      expect(await restOutcomes(agent)).toEqual(['rejected', 'rejected']);
    }
  });

  it('refuses a password that was rotated without grace, and accepts the new one, at the very next request', async () => {
    let agent = await createAgent();
    for (let count = 0; count < AGENTS; count++) {
      const path = `/v1/tenants/${tenant}/agents/${agent.agent}/rotate`;
      const { json } = await client.manage('POST', path, { graceSeconds: 0 });
      const rotated = { ...agent, password: String(json['password']), apiKey: String(json['apiKey']) };
      expect(await swaigStatuses(rotated)).toEqual([200, 200]);
      expect(await swaigStatuses(agent)).toEqual([401, 401]);
      agent = rotated;
    }
  });

  it('applies a changed policy of an agent, and of its tenant, to the very next request at every adapter', async () => {
    const agent = await createAgent();
    const offers = async (): Promise<string[][]> => {
      const answers = await Promise.all([0, 1].map((copy) => client.signature(agent, copy)));
      return answers.map(({ json }) => (json as unknown as { function: string }[]).map((one) => one.function));
    };
    for (let count = 0; count < AGENTS; count++) {
      const functions = [count % 2 === 0 ? 'verify_pin' : 'verification_status'];
      if (count < AGENTS / 2) {
        await client.manage('PUT', `/v1/tenants/${tenant}/agents/${agent.agent}/policy`, { functions });
      } else {
        await client.manage('PATCH', `/v1/tenants/${tenant}/agents/${agent.agent}`, { policy: null });
        await client.manage('PATCH', `/v1/tenants/${tenant}`, { policy: { functions } });
      }
      expect(await offers()).toEqual([functions, functions]);
    }
  });

  it('refuses a disabled agent, and accepts it again once it is enabled, at the very next request', async () => {
    const agent = await createAgent();
    const path = `/v1/tenants/${tenant}/agents/${agent.agent}`;
    for (let count = 0; count < AGENTS; count++) {
      expect((await client.manage('POST', `${path}/disable`)).json).toMatchObject({ state: 'disabled' });
      expect(await swaigStatuses(agent)).toEqual([401, 401]);
      expect((await client.manage('POST', `${path}/enable`)).json).toMatchObject({ state: 'enabled' });
      expect(await swaigStatuses(agent)).toEqual([200, 200]);
    }
  });

  it('waits once for an adapter that was killed, and not again', async () => {
    const late = (): string[] =>
      product()
        .logs()
        .split('\n')
        .filter((line) => line.includes('before these services had reported it'));
    await product().kill('swaig-adapter');
    const agents = [await createAgent(), await createAgent(), await createAgent()];
    expect(late()).toHaveLength(1);
    expect(late()[0]).toContain('["swaig-adapter"]');
    for (const agent of agents) expect((await client.signature(agent, 1)).status).toBe(200);
  });
}
