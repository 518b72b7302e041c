import {
  type CallStateAnswered,
  type Level,
  type Policy,
  type TextName,
  type VerificationDecided,
} from '@countersign/contracts';
import { languageOf, renderText, textTemplate } from './render-text.js';

/** The response to a function call: text for the language model's context, and actions for the call. */
export interface SwaigReply {
  /** Never empty, because the platform treats a missing response as success. */
  readonly response: string;
  readonly action?: readonly SwaigAction[];
  /** Makes the agent speak before the actions run. Connecting a call cuts off the speech. */
  readonly post_process?: true;
}

/** The actions of the platform that this adapter uses, in their wire format (`process_action`). */
export type SwaigAction =
  | { readonly set_global_data: Readonly<Record<string, unknown>> }
  | { readonly set_meta_data: { readonly receipt: string } }
  | { readonly toggle_functions: readonly { readonly function: string; readonly active: boolean }[] }
  | { readonly SWML: SwmlDocument; readonly transfer?: 'true' };

interface SwmlDocument {
  readonly version: '1.0.0';
  readonly sections: { readonly main: readonly Readonly<Record<string, Readonly<Record<string, unknown>>>>[] };
}

const MAX_NAME_LENGTH = 80;
const DEFAULT_RETRY_AFTER_SECONDS = 60;
const MAX_PIN_DIGITS = 8;
/** Time after the last digit that ends an entry without the pound key, in seconds. */
const DIGIT_TIMEOUT_SECONDS = 5;
/** Timeout of the platform's request with the digits, in seconds. Without it the platform waits forever. */
const CAPTURE_TIMEOUT_SECONDS = 20;
/** The platform replaces this with the member `response` of the answer to its request. */
const CAPTURE_RESPONSE = '${request_response.response}';

/** A reply with a text that has no placeholders, and no actions. */
export function textReply(policy: Policy, name: TextName): SwaigReply {
  return { response: renderText(policy, name) };
}

/** The text and actions for a decision. Outcomes become text only here. */
export function decisionReply(decision: VerificationDecided, policy: Policy): SwaigReply {
  // The id was used with other content, or its first delivery is still in progress: this attempt has no outcome.
  if (decision.conflict !== undefined) return textReply(policy, 'unavailable');
  const { outcome } = decision;
  switch (outcome) {
    case 'verified':
      return successReply(decision, policy);
    case 'rejected':
      return { response: rejectionText(decision, policy), action: [{ set_global_data: { verified: false } }] };
    case 'locked':
    case 'disabled':
      return lockedReply(policy);
    case 'rate_limited': {
      const seconds = String(decision.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS);
      return { response: renderText(policy, 'rate_limited', { seconds }) };
    }
    case 'unavailable':
      return textReply(policy, 'unavailable');
    default:
      return outcome satisfies never;
  }
}

/**
 * The text and actions for the state of a call. A verified call gets the actions of the success again, because the answer
 * to a keypad entry cannot have actions. Once the verification has expired, `verified` becomes false.
 */
export function stateReply(state: CallStateAnswered, policy: Policy): SwaigReply {
  const { level, subject, verificationId } = state;
  if (!state.verified || level === 'none') return notVerifiedReply(policy);
  const action = successActions(policy, { level, subjectId: subject, verificationId });
  return { ...textReply(policy, level === 'verified' ? 'status_verified' : 'status_identified'), action };
}

/** The reply for a caller without a verification. */
export function notVerifiedReply(policy: Policy): SwaigReply {
  return { ...textReply(policy, 'status_none'), action: [{ set_global_data: { verified: false } }] };
}

/** Connects to a destination of the policy, after the agent has spoken. Connecting cuts off the speech. */
export function transferReply(policy: Policy, department: string, destination: string): SwaigReply {
  return {
    response: renderText(policy, 'transferring', { department }),
    action: [connectAction(destination)],
    post_process: true,
  };
}

/** Starts a keypad entry: the platform collects the digits and posts them to this adapter. The model never sees them. */
export function keypadReply(policy: Policy, captureUrl: string): SwaigReply {
  const prompt = {
    play: `say:${renderText(policy, 'keypad_prompt')}`,
    say_language: languageOf(policy),
    max_digits: MAX_PIN_DIGITS,
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
  // Contains the response to the entry, which holds no secret, and never the digits.
  const ai_response = `${renderText(policy, 'keypad_done')} ${CAPTURE_RESPONSE}`;
  const main = [{ prompt }, { request }, { set: { ai_response } }];
  return { ...textReply(policy, 'keypad'), action: [{ SWML: { version: '1.0.0', sections: { main } } }] };
}

function successReply(decision: VerificationDecided, policy: Policy): SwaigReply {
  const name = policy.greetByName ? spokenName(decision.displayName ?? '') : '';
  const hasName = textTemplate(policy, 'verified', decision.locale).includes('{name}');
  const textName = hasName && name === '' ? 'verified_without_name' : 'verified';
  return {
    response: renderText(policy, textName, { name }, decision.locale),
    action: successActions(policy, decision),
  };
}

/** What is known after a success. The receipt is known only in the reply to the attempt itself. */
interface VerifiedState {
  readonly level: Level;
  readonly subjectId?: string | undefined;
  readonly verificationId?: string | undefined;
  readonly receipt?: string | undefined;
  readonly mustChangePin?: boolean | undefined;
}

/** The actions of a success: data for prompts, the receipt, and the functions that the level unlocks. */
function successActions(
  policy: Policy,
  { level, subjectId, verificationId, receipt, mustChangePin }: VerifiedState,
): SwaigAction[] {
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
    // The platform keeps metadata out of prompts, so the model does not see the receipt.
    ...(receipt === undefined ? [] : [{ set_meta_data: { receipt } }]),
    ...(unlocked.length === 0
      ? []
      : [{ toggle_functions: unlocked.map((name) => ({ function: name, active: true })) }]),
  ];
}

function rejectionText(decision: VerificationDecided, policy: Policy): string {
  if (policy.discloseUnknownCaller && decision.unknownSubject === true) return renderText(policy, 'unknown_caller');
  if (!policy.tellAttemptsLeft || decision.attemptsLeft === undefined) return renderText(policy, 'rejected');
  const values = { attempts: String(decision.attemptsLeft) };
  const text = renderText(policy, 'rejected', values);
  const hasAttempts = textTemplate(policy, 'rejected').includes('{attempts}');
  return hasAttempts ? text : `${text} ${renderText(policy, 'attempts_left', values)}`;
}

/** One reply for locked and disabled credentials, so an attacker cannot learn how many attempts were counted. */
function lockedReply(policy: Policy): SwaigReply {
  const department = policy.escalation ?? '';
  const to = Object.hasOwn(policy.transfers, department) ? policy.transfers[department] : undefined;
  if (to === undefined) return textReply(policy, 'locked');
  return { ...textReply(policy, 'locked'), action: [connectAction(to)], post_process: true };
}

/** Connects through SWML, because the platform's `transfer` action accepts sections and documents, not numbers. */
function connectAction(to: string): SwaigAction {
  return { SWML: { version: '1.0.0', sections: { main: [{ connect: { to } }] } }, transfer: 'true' };
}

/** The functions that a level unlocks, including those of the levels below it. */
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

/** Removes line breaks, invisible characters and placeholders, because the name becomes part of the model's context. */
function spokenName(name: string): string {
  const clean = name.replace(/\s+/g, ' ').replace(/[\p{C}{}]/gu, '');
  return [...clean].slice(0, MAX_NAME_LENGTH).join('').trim();
}
