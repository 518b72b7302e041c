import { randomUUID } from 'node:crypto';
import { type Balancer, type BalancerTarget } from './balancer.js';
import { bodyOf, newPhone, type Agent, type Json } from './client.js';
import { type Copy } from './product.js';

const ANSWER_LIMIT_MS = 120_000;
const REFUSED_PAUSE_MS = 20;
const REFUSED_LIMIT_MS = 60_000;
/** Of ten guesses: right PIN, wrong PIN, and the same request a second time. */
const PATTERN = ['right', 'wrong', 'right', 'again', 'right', 'right', 'wrong', 'again', 'right', 'right'] as const;

/** Outcomes that are real decisions; the others say that there was none. */
const DECISIONS: ReadonlySet<string> = new Set(['verified', 'rejected', 'locked', 'rate_limited', 'disabled']);

/** One request that was made, and what came of it. */
export interface LoadRequest {
  /** Names the request in the product's own records; a repeated delivery has the one of the first. */
  readonly callId: string;
  readonly door: BalancerTarget;
  readonly copy: Copy;
  readonly tenant: string;
  readonly subject: string;
  readonly right: boolean;
  /** When the caller began, and when the try began that was not refused; milliseconds since 1970. */
  readonly since: number;
  readonly at: number;
  readonly answeredAt: number;
  /** `broken`: the connection broke before an answer; `other …`: an answer that is none of the contract. */
  readonly outcome: string;
  readonly level: string | undefined;
  readonly verificationId: string | undefined;
}

export interface Target {
  readonly agent: Agent;
  readonly subjects: readonly string[];
  readonly pin: string;
  readonly wrong: string;
  /** Only wrong guesses: the budget of these subjects is what is tested. */
  readonly onlyWrong?: boolean;
}

/** Whether an answer says what became of the guess. */
export const isDecision = ({ outcome }: Pick<LoadRequest, 'outcome'>): boolean => DECISIONS.has(outcome);

/** Callers who guess one after the other without a pause, and remember everything. */
export class Load {
  readonly asked: LoadRequest[] = [];
  readonly #balancer: Balancer;
  readonly #callers: Promise<void>[] = [];
  #stopped = false;

  constructor(balancer: Balancer) {
    this.#balancer = balancer;
  }

  /** Adds callers; they go on until `stop`. Each takes every `callers`th subject. */
  start(target: Target, callers: number): void {
    for (let caller = 0; caller < callers; caller++) this.#callers.push(this.#call(target, caller, callers));
  }

  /** Lets what is under way come to its end. @throws Error when a caller met what is neither answer nor refusal */
  async stop(): Promise<readonly LoadRequest[]> {
    this.#stopped = true;
    await Promise.all(this.#callers);
    return this.asked;
  }

  /** One guess of its own, remembered with the others. */
  async guess(target: Target, subject: string, right: boolean): Promise<LoadRequest> {
    return this.#ask(requestOf(target, 'rest-adapter', subject, right));
  }

  async #call(target: Target, caller: number, callers: number): Promise<void> {
    const own = target.subjects.filter((_, at) => at % callers === caller);
    let last: Request | undefined;
    for (let turn = caller; !this.#stopped; turn++) {
      const step = target.onlyWrong === true ? 'wrong' : PATTERN[turn % PATTERN.length];
      const door: BalancerTarget = turn % 2 === 0 ? 'swaig-adapter' : 'rest-adapter';
      const subject = own[Math.floor(turn / PATTERN.length) % own.length] ?? '';
      const request: Request =
        step === 'again' && last !== undefined ? last : requestOf(target, door, subject, step === 'right');
      await this.#ask(request);
      last = request;
    }
  }

  async #ask(request: Request): Promise<LoadRequest> {
    const since = Date.now();
    for (;;) {
      const at = Date.now();
      const chosen = this.#balancer.next(request.door);
      const tried = chosen && (await send(`${chosen.url}${request.path}`, request));
      if (tried === undefined || tried.outcome === 'refused') {
        // Nobody has taken the request: it may go to another copy, or to the one that comes.
        if (at - since > REFUSED_LIMIT_MS) throw new Error(`Nobody listens as ${request.door} for a minute`);
        await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS));
        continue;
      }
      const { callId, door, tenant, subject, right } = request;
      const asked: LoadRequest = {
        ...{ callId, door, tenant, subject, right, since, at, answeredAt: Date.now() },
        ...{ outcome: tried.outcome, level: tried.level, verificationId: tried.verificationId, copy: chosen!.copy },
      };
      this.asked.push(asked);
      return asked;
    }
  }
}

interface Request {
  readonly callId: string;
  readonly door: BalancerTarget;
  readonly tenant: string;
  readonly subject: string;
  readonly right: boolean;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function requestOf({ agent, pin, wrong }: Target, door: BalancerTarget, subject: string, right: boolean): Request {
  const callId = randomUUID();
  const guess = right ? pin : wrong;
  const common = { callId, door, tenant: agent.tenant, subject, right };
  if (door === 'swaig-adapter') {
    const credentials = Buffer.from(`${agent.agent}:${agent.password}`).toString('base64');
    const body = bodyOf({ pin: guess, customerId: subject, caller: newPhone(), callId, session: callId });
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
    body: JSON.stringify({ method: 'pin', subject, pin: guess, callId }),
  };
}

type Tried = Pick<LoadRequest, 'outcome' | 'level' | 'verificationId'>;

async function send(url: string, { headers, body, door }: Request): Promise<Tried> {
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
    return door === 'swaig-adapter' ? spoken(json) : told(json);
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return { ...nothing, outcome: cause?.code === 'ECONNREFUSED' ? 'refused' : 'broken' };
  }
}

function told(json: Json): Tried {
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

/** What the words and actions of the SWAIG adapter mean; the test's tenants have no texts of their own. */
function spoken(json: Json): Tried {
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
