import {
  type AgentPublished,
  type CallStateAnswered,
  type CallStateRequested,
  type FactRecorded,
} from '@countersign/contracts';

/** Who may call. A copy in memory: asking it costs no I/O. */
export abstract class Agents {
  /** The agent whose password this is; undefined for an unknown agent and a wrong password alike, at the same cost. */
  abstract agentByPassword(agent: string, password: string, now: number): AgentPublished | undefined;
  /** The agent of this id; only for what was signed for it before, and for records. */
  abstract agent(agent: string): AgentPublished | undefined;
}

/** What the services know of calls. */
export abstract class CallStates {
  /**
   * Asks what is known of the caller of a call, and waits at most the time of the setting REPLY_TIMEOUT_MS.
   * @throws ServiceError REQUEST_TIMED_OUT or BROKER_UNAVAILABLE
   */
  abstract of(request: CallStateRequested): Promise<CallStateAnswered>;
}

/** Where facts go that become true here. */
export abstract class Facts {
  /**
   * Resolves when the fact is safe on the bus: before that nobody may be told that it happened.
   * @throws ServiceError BROKER_UNAVAILABLE
   */
  abstract record(fact: FactRecorded): Promise<void>;
}
