import { randomInt } from 'node:crypto';
import { readDemo, writeDemo, type Demo } from '@countersign/installation';
import { ServiceError, type Environment } from '@countersign/runtime';

const TENANT = 'demo';
const AGENT = 'demo-agent';
const SUBJECT = 'demo-customer';
/** A telephone number that is reserved for fictional use. */
const PHONE = '+12025550123';
const PIN_DIGITS = 6;
const MAX_PIN_DRAWS = 20;

type DemoUrls = Pick<Demo, 'restUrl' | 'swaigUrl'>;

/**
 * Creates the demo if it is missing or its agent can no longer sign in, and updates the addresses of an existing demo.
 * @param creates whether to create the demo; `if-absent`: only if the data folder has none
 * @param env has ADMIN_API_KEY
 * @returns undefined: there is no usable demo
 * @throws ServiceError SETTINGS_INVALID if the demo has to be created and ADMIN_API_KEY is missing
 */
export async function ensureDemo(
  dataDir: string,
  urls: DemoUrls,
  creates: boolean | 'if-absent',
  env: Environment,
): Promise<Demo | undefined> {
  const existing = readDemo(dataDir);
  if (existing && (await requestDefinitions(urls.swaigUrl, existing.password)).ok) {
    return write(dataDir, { ...existing, ...urls });
  }
  if (creates === false || (creates === 'if-absent' && existing !== undefined)) return undefined;
  return write(dataDir, await seedDemo(urls, adminKeyOf(env)));
}

function write(dataDir: string, demo: Demo): Demo {
  writeDemo(dataDir, demo);
  return demo;
}

function adminKeyOf(env: Environment): string {
  const key = env['ADMIN_API_KEY'];
  if (key) return key;
  throw new ServiceError('SETTINGS_INVALID', 'DEMO needs ADMIN_API_KEY itself, not ADMIN_API_KEY_FILE', false);
}

/**
 * Creates the demo over the REST API: a tenant, an agent, and a subject with a telephone number and a PIN. Each run creates
 * new secrets. An interrupted run can be repeated.
 */
async function seedDemo({ restUrl, swaigUrl }: DemoUrls, adminKey: string): Promise<Demo> {
  const call = async (method: string, path: string, body?: unknown, accepted: number[] = []): Promise<Response> => {
    const response = await fetch(`${restUrl}/v1/tenants/${TENANT}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body ?? {}),
    });
    if (response.ok || accepted.includes(response.status)) return response;
    throw new Error(`The demo could not be created: ${method} ${path} returned status ${response.status}`);
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
  const pin = await enrolRandomPin((candidate) => call('PUT', `/subjects/${SUBJECT}/pin`, { pin: candidate }, [422]));
  return { swaigUrl, restUrl, tenant: TENANT, agent: AGENT, password, apiKey, subject: SUBJECT, pin, phone: PHONE };
}

/** Draws random PINs until one is not refused as weak. */
async function enrolRandomPin(put: (pin: string) => Promise<Response>): Promise<string> {
  for (let draw = 0; draw < MAX_PIN_DRAWS; draw++) {
    const pin = String(randomInt(10 ** PIN_DIGITS)).padStart(PIN_DIGITS, '0');
    if ((await put(pin)).ok) return pin;
  }
  throw new Error('The demo could not be created: all random PINs were refused as weak');
}

async function requestDefinitions(swaigUrl: string, password: string): Promise<Response> {
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
