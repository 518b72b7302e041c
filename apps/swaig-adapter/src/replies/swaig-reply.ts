import {
  type CallStateAnswered,
  type Level,
  type Policy,
  type TextName,
  type VerificationDecided,
} from '@countersign/contracts';
import { languageOf, speak, template } from './speak.js';

/** What the platform reads: text for the language model's context, and actions for the call. */
export interface SwaigReply {
  /** Never empty: the platform reads a missing response as success. */
  readonly response: string;
  readonly action?: readonly SwaigAction[];
  /** True: the agent speaks before the actions land. What is unsaid when a call is connected is never said. */
  readonly post_process?: true;
}

/** Wire forms of `process_action` of the platform's engine, as far as this adapter uses them. */
export type SwaigAction =
  | { readonly set_global_data: Readonly<Record<string, unknown>> }
  | { readonly set_meta_data: { readonly receipt: string } }
  | { readonly toggle_functions: readonly { readonly function: string; readonly active: boolean }[] }
  | { readonly SWML: SwmlDocument; readonly transfer?: 'true' };

interface SwmlDocument {
  readonly version: '1.0.0';
  readonly sections: { readonly main: readonly Readonly<Record<string, Readonly<Record<string, unknown>>>>[] };
}

const LONGEST_NAME = 80;
const DEFAULT_WAIT_SECONDS = 60;
const MOST_DIGITS = 8;
/** The whole entry ends this long after its last digit, in seconds, when the caller presses no pound key. */
const DIGIT_TIMEOUT_SECONDS = 5;
/** In seconds; the platform's own default is to wait for ever. */
const CAPTURE_TIMEOUT_SECONDS = 20;
/** What the platform puts in place of this: the member `response` of the answer to its request. */
const CAPTURE_ANSWER = '${request_response.response}';

/** One of the texts that take no values. */
export function say(policy: Policy, name: TextName): SwaigReply {
  return { response: speak(policy, name) };
}

/** The words and actions of a decision; the only place where an outcome becomes language. */
export function replyTo(decision: VerificationDecided, policy: Policy): SwaigReply {
  // Another payload under this id, or a twin that is still worked on: nothing is known of this guess.
  if (decision.conflict !== undefined) return say(policy, 'unavailable');
  const { outcome } = decision;
  switch (outcome) {
    case 'verified':
      return welcome(decision, policy);
    case 'rejected':
      return { response: rejection(decision, policy), action: [{ set_global_data: { verified: false } }] };
    case 'locked':
    case 'disabled':
      return escalation(policy);
    case 'rate_limited': {
      const seconds = String(decision.retryAfterSeconds ?? DEFAULT_WAIT_SECONDS);
      return { response: speak(policy, 'rate_limited', { seconds }) };
    }
    case 'unavailable':
      return say(policy, 'unavailable');
    default:
      return outcome satisfies never;
  }
}

/**
 * The words and actions of the state of a call. They repeat those of the success, because a keypad entry has none, and
 * take the mark away when the time of a verification is over.
 */
export function stateReply(state: CallStateAnswered, policy: Policy): SwaigReply {
  const { level, subject, verificationId } = state;
  if (!state.verified || level === 'none') return noState(policy);
  const action = marks(policy, { level, subjectId: subject, verificationId });
  return { ...say(policy, level === 'verified' ? 'status_verified' : 'status_identified'), action };
}

/** Nothing is known of the caller. */
export function noState(policy: Policy): SwaigReply {
  return { ...say(policy, 'status_none'), action: [{ set_global_data: { verified: false } }] };
}

/** Connects to a destination of the policy. The agent speaks first: what is unsaid then is never said. */
export function transferReply(policy: Policy, department: string, destination: string): SwaigReply {
  return {
    response: speak(policy, 'transferring', { department }),
    action: [connect(destination)],
    post_process: true,
  };
}

/** Lets the caller key the PIN in: the platform takes the digits and posts them, the model never sees them. */
export function keypadReply(policy: Policy, captureUrl: string): SwaigReply {
  const prompt = {
    play: `say:${speak(policy, 'keypad_prompt')}`,
    say_language: languageOf(policy),
    max_digits: MOST_DIGITS,
    terminators: '#',
    digit_timeout: DIGIT_TIMEOUT_SECONDS,
  };
  const request = {
    url: captureUrl,
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: { pin: '${prompt_value}' },
    timeout: CAPTURE_TIMEOUT_SECONDS,
    save_variables: true,
  };
  // Never the digits: the answer to them, which holds no secret.
  const ai_response = `${speak(policy, 'keypad_done')} ${CAPTURE_ANSWER}`;
  const main = [{ prompt }, { request }, { set: { ai_response } }];
  return { ...say(policy, 'keypad'), action: [{ SWML: { version: '1.0.0', sections: { main } } }] };
}

function welcome(decision: VerificationDecided, policy: Policy): SwaigReply {
  const name = policy.greetByName ? spokenName(decision.displayName ?? '') : '';
  const asksForName = template(policy, 'verified', decision.locale).includes('{name}');
  const textName = asksForName && name === '' ? 'verified_without_name' : 'verified';
  return { response: speak(policy, textName, { name }, decision.locale), action: marks(policy, decision) };
}

/** What is known after a success; a receipt only where it has just been made. */
interface Known {
  readonly level: Level;
  readonly subjectId?: string | undefined;
  readonly verificationId?: string | undefined;
  readonly receipt?: string | undefined;
  readonly mustChangePin?: boolean | undefined;
}

/** What a success leaves in the call: a note for prompts, and the functions that its level unlocks. */
function marks(policy: Policy, { level, subjectId, verificationId, receipt, mustChangePin }: Known): SwaigAction[] {
  const unlocked = unlockedFunctions(policy, level);
  return [
    {
      set_global_data: {
        verified: true,
        customer_id: subjectId,
        verification_level: level,
        verification_id: verificationId,
        ...(mustChangePin === true ? { must_change_pin: true } : {}),
      },
    },
    // Meta data never enters a prompt: the model does not see the receipt.
    ...(receipt === undefined ? [] : [{ set_meta_data: { receipt } }]),
    ...(unlocked.length === 0
      ? []
      : [{ toggle_functions: unlocked.map((name) => ({ function: name, active: true })) }]),
  ];
}

function rejection(decision: VerificationDecided, policy: Policy): string {
  if (policy.discloseUnknownCaller && decision.unknownSubject === true) return speak(policy, 'unknown_caller');
  if (!policy.tellAttemptsLeft || decision.attemptsLeft === undefined) return speak(policy, 'rejected');
  const values = { attempts: String(decision.attemptsLeft) };
  const text = speak(policy, 'rejected', values);
  const told = template(policy, 'rejected').includes('{attempts}');
  return told ? text : `${text} ${speak(policy, 'attempts_left', values)}`;
}

/** One answer for locked, disabled and spent: which of them it is would tell a guesser how far he got. */
function escalation(policy: Policy): SwaigReply {
  const department = policy.escalation ?? '';
  const to = Object.hasOwn(policy.transfers, department) ? policy.transfers[department] : undefined;
  if (to === undefined) return say(policy, 'locked');
  return { ...say(policy, 'locked'), action: [connect(to)], post_process: true };
}

/** A number or a SIP address is SWML: the platform's own `transfer` action knows sections and documents only. */
function connect(to: string): SwaigAction {
  return { SWML: { version: '1.0.0', sections: { main: [{ connect: { to } }] } }, transfer: 'true' };
}

/** A level switches on its own functions and those of the levels below it. */
function unlockedFunctions(policy: Policy, level: Level): string[] {
  const { identified, verified } = policy.unlocksFunctions;
  switch (level) {
    case 'none':
      return [];
    case 'identified':
      return identified;
    case 'verified':
      return [...new Set([...identified, ...verified])];
  }
}

/** The name is read to a language model: it must not bring line breaks, hidden characters or placeholders along. */
function spokenName(name: string): string {
  const clean = name.replace(/\s+/g, ' ').replace(/[\p{C}{}]/gu, '');
  return [...clean].slice(0, LONGEST_NAME).join('').trim();
}
