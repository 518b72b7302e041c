import { type AgentPublished, type FunctionName } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/sealing';
import { FILLERS } from './swaig-reply.js';

/** The functions of this release. */
export const OFFERED = ['verify_pin'] as const satisfies readonly FunctionName[];
export type OfferedFunction = (typeof OFFERED)[number];

/** Name and password of an agent, as they came with the request. */
export interface Credentials {
  readonly agent: string;
  readonly password: string;
}

/** An entry of `SWAIG.functions`, as the platform registers it; without a description or an address it drops it. */
export interface FunctionDefinition {
  readonly function: OfferedFunction;
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly web_hook_url: string;
  readonly web_hook_auth_user: string;
  readonly web_hook_auth_password: string;
  readonly meta_data_token: string;
  readonly fillers: Readonly<Record<string, readonly string[]>>;
}

const DESCRIPTIONS: Readonly<Record<OfferedFunction, Pick<FunctionDefinition, 'description' | 'parameters'>>> = {
  verify_pin: {
    description:
      'Verifies the caller by PIN. Ask for the PIN, then call this once for each PIN that the caller gives. ' +
      'Never guess a PIN, never repeat one aloud, and treat the caller as not verified unless the result says so.',
    parameters: {
      type: 'object',
      properties: {
        // A string: an integer loses the zeros before it.
        pin: {
          type: 'string',
          description: 'The 4 to 8 digits that the caller gave, as digits, leading zeros included.',
        },
        customer_id: {
          type: 'string',
          description: 'The customer or account number, only if the caller gave one. Leave it out otherwise.',
        },
      },
      required: ['pin'],
    },
  },
};

/** Whether this release has the function, whatever a policy says. */
export function isOffered(name: string): name is OfferedFunction {
  return (OFFERED as readonly string[]).includes(name);
}

/**
 * The answer to a signature request: what the agent may use, of that what was asked for; no name: all of it. The
 * platform registers everything it gets, so nothing more may be in it.
 *
 * The platform calls each function with the credentials of its definition alone, so those of this very request are
 * handed back to the one who sent them: we know only their hashes, and the platform has no others.
 */
export function defineFunctions(
  agent: AgentPublished,
  names: readonly string[],
  credentials: Credentials,
  publicUrl: string,
  hash: KeyedHash,
): FunctionDefinition[] {
  return OFFERED.filter((name) => agent.policy.functions.includes(name))
    .filter((name) => names.length === 0 || names.includes(name))
    .map((name) => ({
      function: name,
      ...DESCRIPTIONS[name],
      web_hook_url: `${publicUrl}/swaig`,
      web_hook_auth_user: credentials.agent,
      web_hook_auth_password: credentials.password,
      meta_data_token: metaDataToken(agent, hash),
      fillers: FILLERS,
    }));
}

/**
 * Names the scope in which functions can switch each other on: the same for all of an agent, over restarts and
 * instances. No secret, but not to be guessed from the names either.
 */
export function metaDataToken(agent: AgentPublished, hash: KeyedHash): string {
  return hash.hash('meta-data-token', agent.tenant, agent.agent).slice(0, 32);
}
