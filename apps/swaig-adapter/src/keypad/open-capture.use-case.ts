import { Injectable } from '@nestjs/common';
import { type AgentPublished } from '@countersign/contracts';
import { Clock } from '@countersign/runtime';
import { type CaptureClaims, CaptureTokens } from './capture-token.js';
import { Agents } from '../swaig-adapter.ports.js';

/** The agent and the claims of a valid token. */
export interface OpenedCapture {
  readonly agent: AgentPublished;
  readonly claims: CaptureClaims;
}

/** Checks the token of a keypad entry before the body is read. */
@Injectable()
export class OpenCapture {
  constructor(
    private readonly tokens: CaptureTokens,
    private readonly agents: Agents,
    private readonly clock: Clock,
  ) {}

  /** Returns undefined if the token is forged or expired, or if its agent no longer exists, was created again, or may no longer collect PINs. */
  open(token: string): OpenedCapture | undefined {
    const claims = this.tokens.open(token, this.clock.now());
    const agent = claims && this.agents.agent(claims.agent);
    if (!claims || agent?.tenant !== claims.tenant || (agent.createdAt ?? '') !== claims.agentCreatedAt)
      return undefined;
    return agent.policy.functions.includes('collect_pin') ? { agent, claims } : undefined;
  }
}
