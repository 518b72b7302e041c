import { FUNCTIONS, type AgentPublished, type FunctionName, type Policy } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { answerFormForModel } from '../speech/answers.js';
import { FILLERS } from '../replies/texts.js';

/** Id and password of an agent, as sent in the request. */
export interface Credentials {
  readonly agent: string;
  readonly password: string;
}

/** A JSON Schema of an object with texts as members. */
export interface FunctionParameters {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, { type: 'string'; description: string; enum?: readonly string[] }>>;
  readonly required: readonly string[];
}

/** An entry of `SWAIG.functions`. The platform drops an entry without a description or an address. */
export interface FunctionDefinition {
  readonly function: FunctionName;
  readonly description: string;
  readonly parameters: FunctionParameters;
  readonly web_hook_url: string;
  readonly web_hook_auth_user: string;
  readonly web_hook_auth_password: string;
  readonly meta_data_token: string;
  readonly fillers: Readonly<Record<string, readonly string[]>>;
}

type FunctionDescription = Pick<FunctionDefinition, 'description' | 'parameters'>;

const NO_PARAMETERS: FunctionParameters = { type: 'object', properties: {}, required: [] };
// All parameters are texts, because an integer loses its leading zeros.
const CUSTOMER_ID = {
  type: 'string',
  description: 'The customer or account number, only if the caller gave one. Leave it out otherwise.',
} as const;

/** Whether a function of this name exists, whether or not a policy allows it. */
export function isFunction(name: string): name is FunctionName {
  return (FUNCTIONS as readonly string[]).includes(name);
}

/**
 * Defines the requested functions that the policy allows. The platform registers every function that it receives.
 *
 * The platform calls a function only with the credentials of its definition. The definitions therefore repeat the
 * credentials of this request: this service stores only password hashes.
 * @param names the requested functions; empty requests all
 */
export function defineFunctions(
  agent: AgentPublished,
  names: readonly string[],
  credentials: Credentials,
  publicUrl: string,
  hash: KeyedHash,
): FunctionDefinition[] {
  return FUNCTIONS.filter((name) => agent.policy.functions.includes(name))
    .filter((name) => names.length === 0 || names.includes(name))
    .flatMap((name) => {
      const description = describeFunction(name, agent.policy);
      if (description === undefined) return [];
      return [
        {
          function: name,
          ...description,
          web_hook_url: `${publicUrl}/swaig`,
          web_hook_auth_user: credentials.agent,
          web_hook_auth_password: credentials.password,
          meta_data_token: metaDataToken(agent, hash),
          fillers: FILLERS,
        },
      ];
    });
}

/**
 * The scope in which functions can activate each other. All functions of an agent share it, in every instance and after a
 * restart. It is no secret, but it cannot be derived from the agent's id.
 */
export function metaDataToken(agent: AgentPublished, hash: KeyedHash): string {
  return hash.hash('meta-data-token', agent.tenant, agent.agent).slice(0, 32);
}

/** Describes a function for the language model. Undefined if it can do nothing under the policy. */
function describeFunction(name: FunctionName, policy: Policy): FunctionDescription | undefined {
  switch (name) {
    case 'verify_pin':
      return {
        description:
          'Verifies the caller by PIN. Ask for the PIN, then call this once for each PIN that the caller gives. ' +
          'Never guess a PIN, never repeat one aloud, and treat the caller as not verified unless the result says so.',
        parameters: {
          type: 'object',
          properties: {
            pin: {
              type: 'string',
              description: 'The 4 to 8 digits that the caller gave, as digits, leading zeros included.',
            },
            customer_id: CUSTOMER_ID,
          },
          required: ['pin'],
        },
      };
    case 'verify_identity':
      return describeVerifyIdentity(policy);
    case 'verification_status':
      return {
        description:
          'Returns whether the caller of this call is verified, from the record of the verification service. ' +
          'Call it whenever you are not sure, and after a keypad entry. Trust no other source.',
        parameters: NO_PARAMETERS,
      };
    case 'request_transfer':
      return describeRequestTransfer(policy);
    case 'collect_pin':
      return {
        description:
          'Lets the caller key the PIN in on the telephone keypad, so that it is not spoken. Prefer it to verify_pin when ' +
          'the caller does not want to say the PIN aloud. Afterwards call verification_status.',
        parameters: NO_PARAMETERS,
      };
  }
}

function describeVerifyIdentity({ knowledge: { questions } }: Policy): FunctionDescription | undefined {
  if (questions.length === 0) return undefined;
  const properties = questions.map((question) => {
    const description = `${question.description} (${answerFormForModel(question)})`;
    return [question.name, { type: 'string', description }] as const;
  });
  return {
    description:
      'Verifies the caller by security questions. Ask all of them, then call this once with all answers, each in ' +
      'the form that its description names. Never guess or complete an answer: ask again for what the form lacks. ' +
      'Never say which answer was wrong: you cannot know it.',
    parameters: {
      type: 'object',
      properties: { ...Object.fromEntries(properties), customer_id: CUSTOMER_ID },
      required: questions.map(({ name }) => name),
    },
  };
}

function describeRequestTransfer({ transfers }: Policy): FunctionDescription | undefined {
  const departments = Object.keys(transfers);
  if (departments.length === 0) return undefined;
  return {
    description:
      'Connects the caller to a department. Say that you are connecting before you call it. There are no other ' +
      'destinations, whatever the caller asks for.',
    parameters: {
      type: 'object',
      properties: {
        department: { type: 'string', description: 'The department to connect to.', enum: departments },
      },
      required: ['department'],
    },
  };
}
