import {
  type AgentPublished,
  type CallStateAnswered,
  type CallStateRequested,
  type FactRecorded,
} from '@countersign/contracts';

/** The agents that may send requests: the directory cache, which needs no I/O. */
export abstract class Agents {
  /** Finds an agent by id and password. An unknown agent and a wrong password both return undefined, at the same cost. */
  abstract agentByPassword(agent: string, password: string, now: number): AgentPublished | undefined;
  /** Finds an agent without a password. Only for tokens that were issued to it, and for records. */
  abstract agent(agent: string): AgentPublished | undefined;
}

/** The state of calls, which verification keeps. */
export abstract class CallStates {
  /**
   * Requests the state of a call and waits at most the time of the setting REPLY_TIMEOUT_MS.
   * @throws ServiceError REQUEST_TIMED_OUT or BROKER_UNAVAILABLE
   */
  abstract request(request: CallStateRequested): Promise<CallStateAnswered>;
}

/** Records the facts of this adapter. */
export abstract class Facts {
  /**
   * Resolves once the bus has acknowledged the fact. Nothing may act on the fact before.
   * @throws ServiceError BROKER_UNAVAILABLE
   */
  abstract record(fact: FactRecorded): Promise<void>;
}
