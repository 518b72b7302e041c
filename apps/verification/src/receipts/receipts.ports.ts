import { type FactRecorded } from '@countersign/contracts';
import { type PresentedReceipt } from './presented-receipt.decision.js';

/** Consumed receipts. */
export abstract class ReceiptStore {
  abstract isSpent(receipt: PresentedReceipt): Promise<boolean>;
  /**
   * Consumes a receipt, in one transaction with the fact. True for exactly one command, however many arrive at once, and again
   * whenever that command is delivered again.
   */
  abstract consume(
    commandId: string,
    receipt: PresentedReceipt,
    factAt: (time: Date) => FactRecorded,
  ): Promise<boolean>;
}
