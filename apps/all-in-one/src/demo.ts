import { randomInt } from 'node:crypto';
import { type Demo } from '@countersign/installation';

const TENANT = 'demo';
const AGENT = 'demo-agent';
const SUBJECT = 'demo-customer';
/** A number that is reserved for fiction. */
const PHONE = '+12025550123';
const PIN_DIGITS = 6;
const READY_WITHIN_MS = 10_000;

/** Whether the agent of a demo that was made before can still sign in. */
export async function isDemoUsable(swaigUrl: string, demo: Demo): Promise<boolean> {
  return (await getSignature(swaigUrl, demo.password)).ok;
}

/**
 * Makes the demo tenant over the product's own REST interface: a tenant, an agent, a subject with a telephone and a PIN.
 * Secrets are new at every seeding. Can be repeated after a seeding that was interrupted.
 */
export async function seedDemo(restUrl: string, swaigUrl: string, adminKey: string): Promise<Demo> {
  const call = async (method: string, path: string, body?: unknown, accepted: number[] = []): Promise<Response> => {
    const response = await fetch(`${restUrl}/v1/tenants/${TENANT}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body ?? {}),
    });
    if (response.ok || accepted.includes(response.status)) return response;
    throw new Error(`The demo could not be made: ${method} ${path} was answered with ${response.status}`);
  };
  await call('PUT', '', {
    name: 'Demo',
    policy: {
      unlocksFunctions: ['get_balance', 'transfer_funds'],
      transfers: { support: 'sip:support@example.com' },
      escalation: 'support',
    },
  });
  const created = await call('POST', '/agents', { agent: AGENT, name: 'Demo agent' }, [409]);
  const agent = created.ok ? created : await call('POST', `/agents/${AGENT}/rotate`, { graceSeconds: 0 });
  const { password, apiKey } = (await agent.json()) as { password: string; apiKey: string };
  await call('PUT', `/subjects/${SUBJECT}`, { phones: [PHONE], displayName: 'Alex' });
  const pin = await enrol((candidate) => call('PUT', `/subjects/${SUBJECT}/pin`, { pin: candidate }, [422]));
  await untilKnown(swaigUrl, password);
  return { swaigUrl, restUrl, tenant: TENANT, agent: AGENT, password, apiKey, subject: SUBJECT, pin, phone: PHONE };
}

/** Draws until a PIN is not refused as weak. */
async function enrol(put: (pin: string) => Promise<Response>): Promise<string> {
  for (let draw = 0; draw < 20; draw++) {
    const pin = String(randomInt(10 ** PIN_DIGITS)).padStart(PIN_DIGITS, '0');
    if ((await put(pin)).ok) return pin;
  }
  throw new Error('The demo could not be made: every PIN was refused');
}

/** The adapter knows a new agent after one hop; the command would be refused before. */
async function untilKnown(swaigUrl: string, password: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const response = await getSignature(swaigUrl, password);
    if (response.ok) return;
    if (Date.now() > deadline) throw new Error('The demo could not be made: the adapter does not know the new agent');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function getSignature(swaigUrl: string, password: string): Promise<Response> {
  const response = await fetch(`${swaigUrl}/swaig`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${AGENT}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ action: 'get_signature', functions: [] }),
  });
  await response.arrayBuffer();
  return response;
}
