import { type FactRecorded } from '@countersign/contracts';
import { type CallPolicy, type RecordedSuccess, type VerificationRecord } from './call-state.decision.js';
import { type PresentedReceipt } from '../receipts/presented-receipt.decision.js';

/** What an agent's policy says of verified calls. */
export abstract class CallPolicies {
  /** Undefined: no such agent in this tenant (any more). */
  abstract of(tenant: string, agent: string): CallPolicy | undefined;
}

/**
 * Successes, as `AttemptStore.close` wrote them into the ledger. Never given: those whose time is over on the database's
 * clock, those whose subject was erased since (even if the id exists again), and those that somebody else wrote.
 */
export abstract class VerificationRecords {
  /**
   * All of one call by these agents.
   * @param reader the agent whose own attempts end what it would read
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

/** Receipts that were spent. */
export abstract class ReceiptStore {
  abstract isSpent(receipt: PresentedReceipt): Promise<boolean>;
  /**
   * Spends a receipt in one transaction with the fact: true for one command only, however many try at once, and for that
   * command each time that it is delivered.
   */
  abstract consume(commandId: string, receipt: PresentedReceipt, fact: FactRecorded): Promise<boolean>;
}

export type { CallPolicy, PresentedReceipt, RecordedSuccess, VerificationRecord };
