import { type CallPolicy, type VerificationRecord } from './call-state.decision.js';

/** The part of an agent's policy that is about verified calls. */
export abstract class CallPolicies {
  /** Undefined: the tenant has no such agent (any more). */
  abstract of(tenant: string, agent: string): CallPolicy | undefined;
}

/**
 * Successes in the ledger. Never returned: those that have expired on the clock of the database, those whose subject was erased
 * since (even if the id exists again), and those that this service did not write.
 */
export abstract class VerificationRecords {
  /**
   * All of one call by these agents.
   * @param reader the agent that reads; its own attempts at other subjects end a verification for it
   */
  abstract ofCall(
    tenant: string,
    callId: string,
    agents: readonly string[],
    reader: string,
  ): Promise<readonly VerificationRecord[]>;
  /** One by its id. */
  abstract find(tenant: string, verificationId: string, reader: string): Promise<VerificationRecord | undefined>;
}
