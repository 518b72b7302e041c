import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { eventually } from '@countersign/testing';
import { weakness } from '../apps/verification/src/credentials/pin-rules.decision.js';
import { type Product } from './product.js';

const ANSWER_LIMIT_MS = 60_000;

export type Json = Readonly<Record<string, unknown>>;

/** An HTTP answer, with its text and its JSON value. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Json;
}

export interface Agent {
  readonly tenant: string;
  readonly agent: string;
  readonly password: string;
  readonly apiKey: string;
}

/** A function call as the platform makes it. Missing fields get new values. */
export interface HttpCall {
  readonly pin?: unknown;
  readonly customerId?: string;
  readonly caller?: string;
  readonly callId?: string;
  readonly session?: string;
}

export interface AttemptRequestBody {
  readonly subject?: string;
  readonly phone?: string;
  readonly callerPhone?: string;
  readonly pin: string;
  readonly callId?: string;
}

let lastNumber = randomBytes(2).readUInt16BE() * 100;

/** A telephone number that no other call of this run has. */
export function newPhone(): string {
  lastNumber = (lastNumber + 1) % 10_000_000;
  const text = String(2_000_000 + (lastNumber % 7_999_999)).padStart(7, '0');
  return `+1202${text}`;
}

/** An acceptable PIN of eight digits, so long that it appears nowhere else by chance. */
export function newPin(): string {
  for (;;) {
    const pin = String(randomInt(10_000_000, 100_000_000));
    if (new Set(pin).size > 4 && weakness(pin) === undefined) return pin;
  }
}

export const newName = (kind: string): string => `${kind}-${randomBytes(5).toString('hex')}`;

/** Sends the requests of clients to the product. `copy` selects a copy of an adapter. */
export class Client {
  constructor(readonly product: Product) {}

  async request(url: string, init: RequestInit): Promise<HttpAnswer> {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
  }

  /** @throws Error when the status is none of `expected`, so that the set-up of a test does not fail silently */
  async manage(method: string, path: string, body?: unknown, expected = [200, 201, 204]): Promise<HttpAnswer> {
    const answer = await this.request(`${of(this.product.restUrls(), 0)}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.product.adminKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (expected.includes(answer.status)) return answer;
    throw new Error(`${method} ${path} was answered with ${answer.status}: ${answer.text}`);
  }

  async putTenant(tenant: string, policy: Json = {}): Promise<void> {
    await this.manage('PUT', `/v1/tenants/${tenant}`, { name: tenant, policy });
  }

  /** Creates an agent and returns when every adapter, and the services behind them, accept it. */
  async createAgent(tenant: string, policy?: Json): Promise<Agent> {
    const name = newName('agent');
    const body = { agent: name, ...(policy === undefined ? {} : { policy }) };
    const { json } = await this.manage('POST', `/v1/tenants/${tenant}/agents`, body);
    const agent = { tenant, agent: name, password: String(json['password']), apiKey: String(json['apiKey']) };
    for (const copy of this.product.swaigUrls().keys()) {
      await eventually(
        'a SWAIG adapter knows a new agent',
        async () => (await this.signature(agent, copy)).status === 200,
      );
    }
    for (const copy of this.product.restUrls().keys()) {
      const guess = { subject: newName('nobody'), pin: '0000' };
      const known = async (): Promise<boolean> => {
        const { status, json } = await this.verify(agent, guess, {}, copy);
        return status === 200 && json['outcome'] !== 'unavailable';
      };
      await eventually('the services know a new agent', known, 20_000);
    }
    return agent;
  }

  async putSubject(tenant: string, subject: string, profile: Json = {}): Promise<void> {
    await this.manage('PUT', `/v1/tenants/${tenant}/subjects/${subject}`, profile);
  }

  /** Retries once after 503, as the answer advises, because many enrolments at once wait for their hashes. */
  async putPin(tenant: string, subject: string, pin: string): Promise<void> {
    const path = `/v1/tenants/${tenant}/subjects/${subject}/pin`;
    const { status } = await this.manage('PUT', path, { pin }, [204, 503]);
    if (status === 503) await this.manage('PUT', path, { pin });
  }

  async state(tenant: string, subject: string): Promise<Json> {
    return (await this.manage('GET', `/v1/tenants/${tenant}/subjects/${subject}`)).json;
  }

  verify(
    agent: Agent,
    guess: AttemptRequestBody,
    headers: Readonly<Record<string, string>> = {},
    copy = 0,
  ): Promise<HttpAnswer> {
    return this.request(`${of(this.product.restUrls(), copy)}/v1/verifications`, {
      method: 'POST',
      headers: { authorization: `Bearer ${agent.apiKey}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ method: 'pin', ...guess }),
    });
  }

  /** A request of an agent, with its API key. */
  agentRequest(agent: Agent, method: string, path: string, body?: unknown, copy = 0): Promise<HttpAnswer> {
    return this.request(`${of(this.product.restUrls(), copy)}${path}`, {
      method,
      headers: { authorization: `Bearer ${agent.apiKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  swaig(agent: Agent, call: HttpCall, copy = 0): Promise<HttpAnswer> {
    return this.post(agent, JSON.stringify(bodyOf(call)), {}, copy);
  }

  signature(agent: Agent, copy = 0): Promise<HttpAnswer> {
    return this.post(agent, JSON.stringify({ action: 'get_signature', functions: [] }), {}, copy);
  }

  /** Any bytes at all to `POST /swaig`. */
  post(
    agent: Pick<Agent, 'agent' | 'password'> | undefined,
    body: string,
    headers: Readonly<Record<string, string>> = {},
    copy = 0,
  ): Promise<HttpAnswer> {
    const credentials = agent && Buffer.from(`${agent.agent}:${agent.password}`).toString('base64');
    return this.request(`${of(this.product.swaigUrls(), copy)}/swaig`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(credentials === undefined ? {} : { authorization: `Basic ${credentials}` }),
        ...headers,
      },
      body,
    });
  }
}

/** The body of a call of `verify_pin`, in the platform's form. */
export function bodyOf(call: HttpCall): Json {
  const args = {
    ...('pin' in call ? { pin: call.pin } : {}),
    ...(call.customerId === undefined ? {} : { customer_id: call.customerId }),
  };
  return {
    app_name: 'swml app',
    function: 'verify_pin',
    argument: { parsed: [args], raw: JSON.stringify(args) },
    call_id: call.callId ?? randomUUID(),
    ai_session_id: call.session ?? randomUUID(),
    caller_id_num: call.caller ?? newPhone(),
    channel_active: true,
    content_type: 'text/swaig',
    version: '2.0',
  };
}

function of(urls: readonly string[], copy: number): string {
  const url = urls[copy % Math.max(1, urls.length)];
  if (url === undefined) throw new Error('The product has no such adapter');
  return url;
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
}
