import { type AgentPublished } from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import { type Credentials } from '../functions/function-definitions.js';
import { type Agents } from '../swaig-adapter.ports.js';

/** An agent that proved who it is, and what it proved it with. */
export interface AuthenticatedAgent {
  readonly agent: AgentPublished;
  readonly credentials: Credentials;
}

/** Longest header that is looked at: a name of 63 and any password anyone would configure, in base64. */
const LONGEST_HEADER = 2048;
const BASIC = /^basic +([A-Za-z0-9+/_-]+=*) *$/i;

/**
 * Finds the agent behind an `Authorization` header (RFC 7617: scheme in any case, UTF-8, split at the first colon).
 * Agent and tenant of a request come from here and from nowhere else.
 */
export class AuthenticateAgent {
  constructor(
    private readonly agents: Agents,
    private readonly clock: Clock,
  ) {}

  /** Undefined for a missing or malformed header, an unknown agent and a wrong password alike. */
  execute(header: string | undefined): AuthenticatedAgent | undefined {
    const credentials = readBasic(header);
    if (credentials === undefined) return undefined;
    const agent = this.agents.agentByPassword(credentials.agent, credentials.password, this.clock.now());
    return agent && { agent, credentials };
  }

  /** The agent that a header with a wrong password names; for records only, never for an answer. */
  namedAgent(header: string | undefined): AgentPublished | undefined {
    return this.agents.agent(readBasic(header)?.agent ?? '');
  }
}

function readBasic(header = ''): Credentials | undefined {
  if (header.length > LONGEST_HEADER) return undefined;
  const encoded = BASIC.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { agent: text.slice(0, colon), password: text.slice(colon + 1) };
}
