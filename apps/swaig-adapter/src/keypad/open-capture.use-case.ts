import { type AgentPublished } from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import { type Capture, type CaptureTokens } from './capture-token.js';
import { type Agents } from '../swaig-adapter.ports.js';

/** A keypad entry that may be made, and the agent in whose name. */
export interface OpenedCapture {
  readonly agent: AgentPublished;
  readonly capture: Capture;
}

/** Finds out what a token in an address is good for, before a byte of the body is read. */
export class OpenCapture {
  constructor(
    private readonly tokens: CaptureTokens,
    private readonly agents: Agents,
    private readonly clock: Clock,
  ) {}

  /** Undefined for a token that is false or too old, and when its agent is gone or may not do this any more. */
  execute(token: string): OpenedCapture | undefined {
    const capture = this.tokens.open(token, this.clock.now());
    const agent = capture && this.agents.agent(capture.agent);
    if (!capture || agent?.tenant !== capture.tenant) return undefined;
    return agent.policy.functions.includes('collect_pin') ? { agent, capture } : undefined;
  }
}
