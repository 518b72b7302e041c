import { randomInt } from 'node:crypto';

/** What the demo made, and how to try it. */
export interface Demo {
  readonly agent: string;
  readonly password: string;
  readonly pin: string;
  readonly phone: string;
}

const TENANT = 'demo';
const AGENT = 'demo-agent';
const SUBJECT = 'demo-customer';
/** A number that is reserved for fiction. */
const PHONE = '+12025550123';
const PIN_DIGITS = 6;
const READY_WITHIN_MS = 10_000;

/**
 * Makes the demo tenant over the product's own REST interface: a tenant, an agent, a subject with a telephone and a PIN.
 * Secrets are new at every seeding and kept nowhere: they are printed once.
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
  const { password } = (await agent.json()) as { password: string };
  await call('PUT', `/subjects/${SUBJECT}`, { phones: [PHONE], displayName: 'Alex' });
  const pin = await enrol((candidate) => call('PUT', `/subjects/${SUBJECT}/pin`, { pin: candidate }, [422]));
  await untilKnown(swaigUrl, password);
  return { agent: AGENT, password, pin, phone: PHONE };
}

/** A command that verifies the demo's PIN, ready to be pasted into a shell. */
export function demoCommand(swaigUrl: string, demo: Demo): string {
  const raw = JSON.stringify({ pin: demo.pin });
  const body = JSON.stringify({
    function: 'verify_pin',
    argument: { parsed: [{ pin: demo.pin }], raw },
    call_id: 'demo-call',
    ai_session_id: 'demo-session',
    caller_id_num: demo.phone,
  });
  return `curl -sS -u '${demo.agent}:${demo.password}' -H 'content-type: application/json' '${swaigUrl}/swaig' -d '${body}'`;
}

/** Draws until a PIN is not refused as weak. */
async function enrol(put: (pin: string) => Promise<Response>): Promise<string> {
  for (let draw = 0; draw < 20; draw++) {
    const pin = String(randomInt(10 ** PIN_DIGITS)).padStart(PIN_DIGITS, '0');
    if ((await put(pin)).ok) return pin;
  }
  throw new Error('The demo could not be made: every PIN was refused');
}

/** The adapter hears of a new agent within the time of a hop; nobody should paste the command before. */
async function untilKnown(swaigUrl: string, password: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const response = await fetch(`${swaigUrl}/swaig`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${AGENT}:${password}`).toString('base64')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ action: 'get_signature', functions: [] }),
    });
    await response.arrayBuffer();
    if (response.ok) return;
    if (Date.now() > deadline) throw new Error('The demo could not be made: the adapter does not know the new agent');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
