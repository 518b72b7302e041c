import {
  type AgentPublished,
  type CallStateAnswered,
  type VerificationDecided,
  type VerificationRequested,
} from '@countersign/contracts';

/** Who may call. A copy in memory: asking it costs no I/O. */
export abstract class Agents {
  /** The agent whose password this is; undefined for an unknown agent and a wrong password alike, at the same cost. */
  abstract agentByPassword(agent: string, password: string, now: number): AgentPublished | undefined;
}

/** The services behind the bus that count, compare and decide. */
export abstract class Verifications {
  /**
   * Asks for a decision and waits for it, at most the time of the setting REPLY_TIMEOUT_MS.
   * @throws ServiceError REQUEST_TIMED_OUT or BROKER_UNAVAILABLE; the guess may or may not have been counted
   */
  abstract decide(request: VerificationRequested): Promise<VerificationDecided>;
}

/** The server's own record of calls. */
export abstract class CallStates {
  /**
   * What is known of the caller of a call: nothing, unless a success in it still holds.
   * @param callId as the verification of this call named it
   * @throws ServiceError REQUEST_TIMED_OUT or BROKER_UNAVAILABLE
   */
  abstract find(agent: AgentPublished, callId: string): Promise<CallStateAnswered>;
}
