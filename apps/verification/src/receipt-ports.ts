import { type FactRecorded } from '@countersign/contracts';

/** A receipt whose signature is right, as far as what is stored decides about it. Times in seconds since 1970. */
export interface PresentedReceipt {
  readonly tenant: string;
  readonly subject: string;
  readonly jti: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Receipts that were spent. */
export abstract class ReceiptStore {
  /** Whether its time is not over on the database's clock, it was not spent, and its subject was not erased since. */
  abstract isGood(receipt: PresentedReceipt): Promise<boolean>;
  /**
   * Spends a receipt in one transaction with the fact: true for one command only, however many try at once, and for that
   * command each time that it is delivered.
   */
  abstract consume(commandId: string, receipt: PresentedReceipt, fact: FactRecorded): Promise<boolean>;
}
