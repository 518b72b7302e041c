import { type Level, type Policy, type VerificationDecided } from '@countersign/contracts';

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
  | {
      readonly SWML: {
        readonly version: '1.0.0';
        readonly sections: { readonly main: readonly { readonly connect: { readonly to: string } }[] };
      };
      readonly transfer: 'true';
    };

/** Everything the adapter can say. A policy replaces any of it under the same name: `texts[language][name]`. */
export const TEXTS = {
  verified: 'Thank you, {name}. How can I help you today?',
  /** Where `verified` asks for a name and there is none to say. */
  verified_without_name: 'Thank you, you are verified. How can I help you today?',
  rejected: 'I am sorry, that does not match what we have on file. Please try again.',
  /** Follows `rejected` where the policy tells the number and `rejected` itself does not hold it. */
  attempts_left: 'Attempts left: {attempts}.',
  /** Also for a disabled credential. */
  locked: 'I am sorry, I cannot verify your identity. I will connect you to a person who can help.',
  rate_limited: 'There have been too many requests. Please wait {seconds} seconds and try again.',
  unavailable: 'I am sorry, I cannot verify your identity right now. Please try again later.',
  bad_pin: 'A PIN is 4 to 8 digits. Please give it again, one digit at a time.',
  after_hang_up: 'The call is over. Nothing was done.',
  noted: 'Noted. Nothing was done.',
  not_offered: 'This function is not offered here. Nothing was done, and nobody was verified.',
} as const;
export type TextName = keyof typeof TEXTS;

/** What a transport refusal says; `response` stands there for a model that reads it in spite of the status. */
export const REFUSALS = {
  400: 'The body must be a JSON object.',
  401: 'The user name is the id of the agent, the password its secret.',
  403: 'The signature of the request is wrong.',
  404: 'There is nothing here. Functions are called by POST on /swaig.',
  405: 'This method is not allowed here. Functions are called by POST on /swaig.',
  413: 'The body must be at most 256 KiB.',
  415: 'The content type must be application/json.',
  500: 'This is our fault. The log says more.',
} as const;
export type RefusalStatus = keyof typeof REFUSALS;

/** Words for a platform that reads the body of a refused request. */
export function refusal(status: RefusalStatus): { error: string; response: string } {
  return { error: REFUSALS[status], response: TEXTS.unavailable };
}

/** Said by the platform while a function is under way. */
export const FILLERS = { 'en-US': ['One moment while I check that.'] } as const;

const LANGUAGE = 'en-US';
const LONGEST_NAME = 80;
const DEFAULT_WAIT_SECONDS = 60;

/** One of the texts that take no values. */
export function say(policy: Policy, name: TextName): SwaigReply {
  return { response: render(policy, name, {}) };
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
      return { response: render(policy, 'rate_limited', { seconds }) };
    }
    case 'unavailable':
      return say(policy, 'unavailable');
    default:
      return outcome satisfies never;
  }
}

function welcome(decision: VerificationDecided, policy: Policy): SwaigReply {
  const name = policy.greetByName ? spokenName(decision.displayName ?? '') : '';
  const asksForName = template(policy, 'verified', decision.locale).includes('{name}');
  const textName = asksForName && name === '' ? 'verified_without_name' : 'verified';
  const unlocked = unlockedFunctions(policy, decision.level);
  return {
    response: render(policy, textName, { name }, decision.locale),
    action: [
      {
        set_global_data: {
          verified: true,
          customer_id: decision.subjectId,
          verification_level: decision.level,
          verification_id: decision.verificationId,
        },
      },
      ...(decision.receipt === undefined ? [] : [{ set_meta_data: { receipt: decision.receipt } }]),
      ...(unlocked.length === 0
        ? []
        : [{ toggle_functions: unlocked.map((name) => ({ function: name, active: true })) }]),
    ],
  };
}

function rejection(decision: VerificationDecided, policy: Policy): string {
  if (!policy.tellAttemptsLeft || decision.attemptsLeft === undefined) return render(policy, 'rejected', {});
  const values = { attempts: String(decision.attemptsLeft) };
  const text = render(policy, 'rejected', values);
  const told = template(policy, 'rejected').includes('{attempts}');
  return told ? text : `${text} ${render(policy, 'attempts_left', values)}`;
}

/** One answer for locked, disabled and spent: which of them it is would tell a guesser how far he got. */
function escalation(policy: Policy): SwaigReply {
  const department = policy.escalation ?? '';
  const to = Object.hasOwn(policy.transfers, department) ? policy.transfers[department] : undefined;
  if (to === undefined) return say(policy, 'locked');
  return {
    ...say(policy, 'locked'),
    action: [{ SWML: { version: '1.0.0', sections: { main: [{ connect: { to } }] } }, transfer: 'true' }],
    post_process: true,
  };
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

/** Placeholders that nobody fills vanish: a policy's typing error must not be read to the caller. */
function render(policy: Policy, name: TextName, values: Readonly<Record<string, string>>, language?: string): string {
  const fill = (text: string): string =>
    text.replace(/\{(\w*)\}/g, (_, key: string) => (Object.hasOwn(values, key) ? (values[key] ?? '') : '')).trim();
  return fill(template(policy, name, language)) || fill(TEXTS[name]);
}

function template(policy: Policy, name: TextName, language = LANGUAGE): string {
  return policyText(policy, language, name) ?? policyText(policy, LANGUAGE, name) ?? TEXTS[name];
}

function policyText(policy: Policy, language: string, name: TextName): string | undefined {
  const texts = Object.hasOwn(policy.texts, language) ? policy.texts[language] : undefined;
  const text: unknown = texts && Object.hasOwn(texts, name) ? texts[name] : undefined;
  return typeof text === 'string' ? text : undefined;
}
