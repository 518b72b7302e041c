import { Injectable } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { Clock } from '@countersign/runtime';
import { type Credentials } from '../functions/function-definitions.js';
import { Agents } from '../swaig-adapter.ports.js';

/** An authenticated agent, and the credentials of its request. */
export interface AuthenticatedAgent {
  readonly agent: AgentPublished;
  readonly credentials: Credentials;
}

/** Longest header that is parsed, in characters: enough for an agent id of 63 characters and a long password in base64. */
const MAX_HEADER_LENGTH = 2048;
const BASIC_HEADER = /^basic +([A-Za-z0-9+/_-]+=*) *$/i;

/**
 * Authenticates an agent by its `Authorization` header (RFC 7617: scheme in any case, UTF-8, split at the first colon).
 * The agent and tenant of a request come only from here, never from its body.
 */
@Injectable()
export class AuthenticateAgent {
  constructor(
    private readonly agents: Agents,
    private readonly clock: Clock,
  ) {}

  /** Returns undefined for a missing or malformed header, an unknown agent or a wrong password. */
  authenticate(header: string | undefined): AuthenticatedAgent | undefined {
    const credentials = readCredentials(header);
    if (credentials === undefined) return undefined;
    const agent = this.agents.agentByPassword(credentials.agent, credentials.password, this.clock.now());
    return agent && { agent, credentials };
  }

  /** The agent that a refused header names. Only for records: an answer would reveal which agents exist. */
  namedAgent(header: string | undefined): AgentPublished | undefined {
    return this.agents.agent(readCredentials(header)?.agent ?? '');
  }
}

function readCredentials(header = ''): Credentials | undefined {
  if (header.length > MAX_HEADER_LENGTH) return undefined;
  const encoded = BASIC_HEADER.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { agent: text.slice(0, colon), password: text.slice(colon + 1) };
}
