import { randomInt, randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { type Installation } from './installation.js';
import { post, type TimedAnswer } from './timed-answer.js';

/** Makes one attempt at a subject of a tenant, over one adapter. */
export type Prober = (subject: string, pin: string, agent?: Agent) => Promise<TimedAnswer>;

const LIFTED = { limit: 1_000_000, periodSeconds: 1 };
const LIMITS = Object.fromEntries(
  ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'].map((name) => [name, LIFTED]),
);
const ESCALATION = { transfers: { support: 'sip:support@example.com' }, escalation: 'support' };
/** How many subjects are prepared at a time. Samples are taken one at a time. */
const PREPARED_AT_A_TIME = 8;
const PREPARATION = new Agent({ keepAlive: true, maxSockets: PREPARED_AT_A_TIME });

/** A tenant of the installation, with an agent under the default policy and one with a large attempt window. */
export class ProbedTenant {
  private constructor(
    private readonly product: Installation,
    private readonly name: string,
    readonly probers: Readonly<Record<'swaig' | 'rest', Prober>>,
    /** Of the agent with an attempt window of 100, to disable subjects. */
    readonly wide: Prober,
  ) {}

  static async make(product: Installation, name: string): Promise<ProbedTenant> {
    await manage(product, 'PUT', `/v1/tenants/${name}`, { name, policy: { limits: LIMITS, ...ESCALATION } });
    const agent = async (more: object): Promise<Record<string, string>> => {
      const body = { agent: `${name}-${randomUUID().slice(0, 8)}`, ...more };
      return (await (await manage(product, 'POST', `/v1/tenants/${name}/agents`, body)).json()) as Record<
        string,
        string
      >;
    };
    const usual = await agent({});
    const wide = await agent({ policy: { attempts: { perWindow: 100, lockSeconds: 1, maxLockSeconds: 1 } } });
    const probers = { swaig: swaigProber(product, usual), rest: restProber(product, usual) };
    const tenant = new ProbedTenant(product, name, probers, restProber(product, wide));
    // The directory caches receive a new agent a moment later.
    for (const prober of [probers.swaig, probers.rest, tenant.wide]) {
      for (const until = performance.now() + 20_000; performance.now() < until;) {
        const { bytes } = await prober(`unknown-${randomUUID()}`, '4829');
        if (bytes.startsWith('200') && !bytes.includes('right now') && !bytes.includes('unavailable')) break;
      }
    }
    return tenant;
  }

  /** Creates subjects, with a PIN or without. */
  async subjects(count: number, pin: string | undefined): Promise<string[]> {
    const names = Array.from({ length: count }, () => `s-${randomUUID()}`);
    await each(names, async (subject) => {
      const path = `/v1/tenants/${this.name}/subjects/${subject}`;
      await manage(this.product, 'PUT', path, {});
      if (pin !== undefined) await manage(this.product, 'PUT', `${path}/pin`, { pin });
    });
    return names;
  }
}

/** Runs `work` for all, some at a time. */
export async function each<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  const waiting = [...all];
  const workThroughQueue = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: PREPARED_AT_A_TIME }, workThroughQueue));
}

async function manage(product: Installation, method: string, path: string, body: object): Promise<Response> {
  const answer = await fetch(`${product.restUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

function swaigProber(product: Installation, { username, password }: Record<string, string>): Prober {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  return (subject, pin, agent = PREPARATION) => {
    const args = { pin, customer_id: subject };
    return post(agent, `${product.swaigUrl}/swaig`, authorization, {
      function: 'verify_pin',
      argument: { parsed: [args], raw: JSON.stringify(args) },
      call_id: randomUUID(),
      ai_session_id: randomUUID(),
      caller_id_num: `+1202${randomInt(2_000_000, 9_999_999)}`,
      content_type: 'text/swaig',
      version: '2.0',
    });
  };
}

function restProber(product: Installation, { apiKey }: Record<string, string>): Prober {
  return (subject, pin, agent = PREPARATION) =>
    post(agent, `${product.restUrl}/v1/verifications`, `Bearer ${apiKey}`, { method: 'pin', subject, pin });
}
