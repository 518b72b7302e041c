import { randomUUID } from 'node:crypto';
import { type Balancer, type Adapter } from './balancer.js';
import { bodyOf, newPhone, type Agent, type Json } from './client.js';
import { type Copy } from './product.js';

const ANSWER_LIMIT_MS = 120_000;
const REFUSED_PAUSE_MS = 20;
const REFUSED_LIMIT_MS = 60_000;
/** Of ten requests: the right PIN, a wrong PIN, or the previous request once more. */
const PATTERN = ['right', 'wrong', 'right', 'again', 'right', 'right', 'wrong', 'again', 'right', 'right'] as const;

/** Outcomes that are decisions about an attempt. */
const DECISIONS: ReadonlySet<string> = new Set(['verified', 'rejected', 'locked', 'rate_limited', 'disabled']);

/** One request of the load, and its answer. */
export interface LoadRequest {
  /** Identifies the request in the product's records. A repeated request has the call id of the first. */
  readonly callId: string;
  readonly adapter: Adapter;
  readonly copy: Copy;
  readonly tenant: string;
  readonly subject: string;
  readonly right: boolean;
  /** When the caller first tried to connect, in milliseconds since 1970. */
  readonly begunAt: number;
  /** When the connection was made that was accepted, in milliseconds since 1970. */
  readonly sentAt: number;
  readonly answeredAt: number;
  /** `broken`: the connection broke before an answer. `other …`: an answer that the contract does not have. */
  readonly outcome: string;
  readonly level: string | undefined;
  readonly verificationId: string | undefined;
}

export interface Target {
  readonly agent: Agent;
  readonly subjects: readonly string[];
  readonly pin: string;
  readonly wrong: string;
  /** Sends wrong PINs only, to test the attempt window of these subjects. */
  readonly onlyWrong?: boolean;
}

/** Whether the answer is a decision about the attempt. */
export const isDecision = ({ outcome }: Pick<LoadRequest, 'outcome'>): boolean => DECISIONS.has(outcome);

/** Callers who send one request after the other without a pause. Every request is kept. */
export class Load {
  readonly requests: LoadRequest[] = [];
  readonly #balancer: Balancer;
  readonly #callers: Promise<void>[] = [];
  #stopped = false;

  constructor(balancer: Balancer) {
    this.#balancer = balancer;
  }

  /** Adds callers, who continue until `stop`. Each uses every `callers`th subject. */
  start(target: Target, callers: number): void {
    for (let caller = 0; caller < callers; caller++) this.#callers.push(this.#call(target, caller, callers));
  }

  /** Waits for the requests in flight. @throws Error when a caller could connect to no adapter for a minute */
  async stop(): Promise<readonly LoadRequest[]> {
    this.#stopped = true;
    await Promise.all(this.#callers);
    return this.requests;
  }

  /** Sends one more request, which is kept with the others. */
  async attempt(target: Target, subject: string, right: boolean): Promise<LoadRequest> {
    return this.#send(requestOf(target, 'rest-adapter', subject, right));
  }

  async #call(target: Target, caller: number, callers: number): Promise<void> {
    const own = target.subjects.filter((_, at) => at % callers === caller);
    let last: Request | undefined;
    for (let turn = caller; !this.#stopped; turn++) {
      const step = target.onlyWrong === true ? 'wrong' : PATTERN[turn % PATTERN.length];
      const adapter: Adapter = turn % 2 === 0 ? 'swaig-adapter' : 'rest-adapter';
      const subject = own[Math.floor(turn / PATTERN.length) % own.length] ?? '';
      const request: Request =
        step === 'again' && last !== undefined ? last : requestOf(target, adapter, subject, step === 'right');
      await this.#send(request);
      last = request;
    }
  }

  async #send(request: Request): Promise<LoadRequest> {
    const begunAt = Date.now();
    for (;;) {
      const sentAt = Date.now();
      const chosen = this.#balancer.next(request.adapter);
      const answer = chosen && (await send(`${chosen.url}${request.path}`, request));
      if (chosen === undefined || answer === undefined || answer.outcome === 'refused') {
        // No copy has received the request, so another copy may take it.
        if (sentAt - begunAt > REFUSED_LIMIT_MS) throw new Error(`No ${request.adapter} has listened for a minute`);
        await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS));
        continue;
      }
      const { callId, adapter, tenant, subject, right } = request;
      const sent: LoadRequest = {
        ...{ callId, adapter, copy: chosen.copy, tenant, subject, right, begunAt, sentAt, answeredAt: Date.now() },
        ...answer,
      };
      this.requests.push(sent);
      return sent;
    }
  }
}

interface Request {
  readonly callId: string;
  readonly adapter: Adapter;
  readonly tenant: string;
  readonly subject: string;
  readonly right: boolean;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function requestOf({ agent, pin, wrong }: Target, adapter: Adapter, subject: string, right: boolean): Request {
  const callId = randomUUID();
  const submittedPin = right ? pin : wrong;
  const common = { callId, adapter, tenant: agent.tenant, subject, right };
  if (adapter === 'swaig-adapter') {
    const credentials = Buffer.from(`${agent.agent}:${agent.password}`).toString('base64');
    const body = bodyOf({ pin: submittedPin, customerId: subject, caller: newPhone(), callId, session: callId });
    return {
      ...common,
      path: '/swaig',
      headers: { authorization: `Basic ${credentials}` },
      body: JSON.stringify(body),
    };
  }
  return {
    ...common,
    path: '/v1/verifications',
    headers: { authorization: `Bearer ${agent.apiKey}`, 'idempotency-key': callId },
    body: JSON.stringify({ method: 'pin', subject, pin: submittedPin, callId }),
  };
}

type Answer = Pick<LoadRequest, 'outcome' | 'level' | 'verificationId'>;

async function send(url: string, { headers, body, adapter }: Request): Promise<Answer> {
  const nothing = { level: undefined, verificationId: undefined };
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    const text = await response.text();
    if (response.status !== 200) return { ...nothing, outcome: `other ${response.status} ${text.slice(0, 200)}` };
    const json = JSON.parse(text) as Json;
    return adapter === 'swaig-adapter' ? outcomeOverSwaig(json) : outcomeOverRest(json);
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return { ...nothing, outcome: cause?.code === 'ECONNREFUSED' ? 'refused' : 'broken' };
  }
}

function outcomeOverRest(json: Json): Answer {
  const text = (name: string): string | undefined => {
    const value = json[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    outcome: text('outcome') ?? 'other answer without an outcome',
    level: text('level'),
    verificationId: text('verificationId'),
  };
}

/** Reads the outcome from the words and actions of the SWAIG adapter. The tenants of the tests use the default texts. */
function outcomeOverSwaig(json: Json): Answer {
  const actions = (json['action'] ?? []) as Json[];
  const data = actions.map((action) => action['set_global_data'] as Json | undefined).find((found) => found);
  if (data?.['verified'] === true) {
    return {
      outcome: 'verified',
      level: String(data['verification_level']),
      verificationId: String(data['verification_id']),
    };
  }
  const nothing = { level: undefined, verificationId: undefined };
  const response = String(json['response']);
  const outcomes: readonly (readonly [string, string])[] = [
    ['that does not match what we have on file', 'rejected'],
    ['I will connect you to a person', 'locked'],
    ['too many requests', 'rate_limited'],
    ['right now. Please try again later', 'unavailable'],
  ];
  const outcome = outcomes.find(([words]) => response.includes(words))?.[1];
  return { ...nothing, outcome: outcome ?? `other ${response.slice(0, 200)}` };
}
