import { Client, newName, newPhone, type Agent, type Json } from '../client.js';
import { type Product } from '../product.js';

export const PIN = '48213';
export const WRONG = '99481';
export const POLICY: Json = {
  unlocksFunctions: { identified: ['get_store_hours'], verified: ['get_balance'] },
  transfers: { support: 'sip:support@example.com' },
  escalation: 'support',
};
export const REJECTED = {
  response: 'I am sorry, that does not match what we have on file. Please try again.',
  action: [{ set_global_data: { verified: false } }],
};
export const LOCKED = {
  response: 'I am sorry, I cannot verify your identity. I will connect you to a person who can help.',
  action: [
    {
      SWML: { version: '1.0.0', sections: { main: [{ connect: { to: 'sip:support@example.com' } }] } },
      transfer: 'true',
    },
  ],
  post_process: true,
};

/** Every test has a subject of its own, because attempt windows and locks belong to subjects. */
export interface EnrolledSubject {
  readonly subject: string;
  readonly phone: string;
}

/** Shared by the tests of a suite: one product, one tenant, one agent. */
export interface World {
  readonly client: Client;
  readonly tenant: string;
  readonly agent: Agent;
  /** A subject with a telephone number, a name and the PIN {@link PIN}. */
  readonly enrol: () => Promise<EnrolledSubject>;
}

/** Creates a tenant and an agent. @param policy default: {@link POLICY} */
export async function openWorld(product: Product, policy = POLICY): Promise<World> {
  const client = new Client(product);
  const tenant = newName('tenant');
  await client.putTenant(tenant, policy);
  const agent = await client.createAgent(tenant);
  const enrol = async (): Promise<EnrolledSubject> => {
    const subject = newName('customer');
    const phone = newPhone();
    await client.putSubject(tenant, subject, { phones: [phone], displayName: 'Alex' });
    await client.putPin(tenant, subject, PIN);
    return { subject, phone };
  };
  return { client, tenant, agent, enrol };
}
