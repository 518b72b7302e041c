import { randomUUID } from 'node:crypto';
import { type AgentPublished, type VerificationDecided } from '@countersign/contracts';
import { digestOf, type KeyedHash } from '@countersign/crypto';
import { type Identified, type VerificationClient } from '@countersign/verification-client';
import { type Caller, callerOf, customerIdOf } from './caller.js';
import { type FunctionCall } from './swaig-request.js';

/** How long a repeated delivery of the same call gets the same answer, in seconds. */
const REPEAT_SECONDS = 60;

/** What a caller gave to be recognised by. */
export type SpokenSecret =
  | { readonly method: 'pin'; readonly pin: string }
  | { readonly method: 'knowledge'; readonly answers: Readonly<Record<string, string>> };

/** A guess with everything that makes it one command. */
export interface SpokenAttempt {
  readonly command: Identified['command'];
  readonly repeatSeconds: number;
  readonly caller: Caller;
  readonly guess: SpokenSecret;
}

/** Asks the services whether what the caller gave is right. */
export class VerifyCaller {
  /** Decisions that this instance waits for, by command and content. */
  readonly #underWay = new Map<string, Promise<VerificationDecided>>();

  constructor(
    private readonly hash: KeyedHash,
    private readonly client: VerificationClient,
  ) {}

  /**
   * The guess of a function call. The platform delivers a call again when it got no answer in time, with nothing in it
   * that says so: what makes it the same is call, session, function and the model's own words. A repeated delivery has
   * the command id of the first, so the services answer it without counting it; one that is under way here is not even
   * asked again.
   * @throws ServiceError when there is no decision in time
   */
  async execute(agent: AgentPublished, call: FunctionCall, guess: SpokenSecret): Promise<VerificationDecided> {
    const caller = callerOf(agent, call);
    return this.attempt(agent, {
      command: commandOf(agent, call, guess),
      repeatSeconds: REPEAT_SECONDS,
      caller,
      guess,
    });
  }

  /** One guess, however it came here. @throws ServiceError when there is no decision in time */
  async attempt(agent: AgentPublished, attempt: SpokenAttempt): Promise<VerificationDecided> {
    const { command, caller, guess } = attempt;
    const content = this.hash.hash(
      'content',
      agent.tenant,
      agent.agent,
      JSON.stringify(caller.subject),
      caller.caller,
      caller.callId ?? '',
      guess.method,
      JSON.stringify(secretOf(guess)),
    );
    const key = `${command.prefix}:${command.digest}:${content}`;
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const decided = this.#ask(agent, attempt);
    this.#underWay.set(key, decided);
    try {
      return await decided;
    } finally {
      this.#underWay.delete(key);
    }
  }

  #ask(agent: AgentPublished, attempt: SpokenAttempt): Promise<VerificationDecided> {
    const { command, repeatSeconds, guess } = attempt;
    const { subject, caller, ...described } = attempt.caller;
    return this.client.decide(
      agent,
      { command, subject, caller },
      {
        repeatSeconds,
        tenant: agent.tenant,
        agent: agent.agent,
        channel: 'swaig',
        method: guess.method,
        ...described,
      },
      secretOf(guess),
    );
  }
}

/** Without a call id nothing tells a repeated delivery from a second guess, so each counts. */
function commandOf(agent: AgentPublished, call: FunctionCall, guess: SpokenSecret): Identified['command'] {
  if (call.callId === '') return { prefix: 'swaig', digest: digestOf('request', randomUUID()) };
  const words = call.rawArgument || JSON.stringify([secretOf(guess), customerIdOf(call)]);
  return { prefix: 'swaig', digest: digestOf('command', ...deliveryOf(agent, call), words) };
}

/** What makes two deliveries the same besides the model's words. */
export function deliveryOf(agent: AgentPublished, call: FunctionCall): string[] {
  return [agent.tenant, agent.agent, call.callId, call.aiSessionId, call.functionName];
}

function secretOf(guess: SpokenSecret): { pin: string } | { answers: Readonly<Record<string, string>> } {
  switch (guess.method) {
    case 'pin':
      return { pin: guess.pin };
    case 'knowledge':
      return { answers: guess.answers };
  }
}
