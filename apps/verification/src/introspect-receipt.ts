import { v7 as uuid } from 'uuid';
import {
  bindingOf,
  FactRecorded,
  message,
  ReceiptIntrospected,
  ReceiptIntrospectionRequested,
} from '@countersign/contracts';
import { type ReceiptClaims, type ReceiptKeys } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { type PresentedReceipt, type ReceiptStore, type Seals } from './ports.js';

/**
 * Says whether a receipt is good for who asks, and spends it when asked to. Why one is not good is never told: expired,
 * spent, forged and another tenant's are alike.
 */
export class IntrospectReceipt {
  constructor(
    private readonly keys: ReceiptKeys,
    private readonly seals: Seals,
    private readonly receipts: ReceiptStore,
    private readonly issuer: string,
  ) {}

  /** @throws ServiceError retriable, when the database does not answer; then the receipt may or may not be spent */
  async execute(query: ReceiptIntrospectionRequested): Promise<ReceiptIntrospected> {
    const { commandId, tenant, callId } = query;
    const claims = await this.#open(query);
    const refused = message(ReceiptIntrospected, { commandId, active: false });
    if (claims === undefined || claims.iss !== this.issuer || claims.aud !== tenant) return refused;
    if (callId !== undefined && claims.call_id !== callId) return refused;
    const receipt = { tenant, subject: claims.sub, jti: claims.jti, issuedAt: claims.iat, expiresAt: claims.exp };
    const good = query.consume
      ? await this.receipts.consume(commandId, receipt, consumed(query, receipt, claims))
      : await this.receipts.isGood(receipt);
    return good ? message(ReceiptIntrospected, { commandId, active: true, claims: { ...claims } }) : refused;
  }

  async #open(query: ReceiptIntrospectionRequested): Promise<ReceiptClaims | undefined> {
    try {
      const { receipt } = await this.seals.open(query.sealed, bindingOf(ReceiptIntrospectionRequested, query));
      return typeof receipt === 'string' ? this.keys.verify(receipt) : undefined;
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
  }
}

function consumed(
  query: ReceiptIntrospectionRequested,
  { subject, jti }: PresentedReceipt,
  { call_id: callId }: ReceiptClaims,
): FactRecorded {
  return message(FactRecorded, {
    factId: uuid(),
    kind: 'receipt.consumed',
    // The store puts the time of its transaction here.
    time: new Date(0).toISOString(),
    tenant: query.tenant,
    agent: query.agent,
    subject,
    ...(callId === undefined ? {} : { callId }),
    verificationId: jti,
    commandId: query.commandId,
  });
}
