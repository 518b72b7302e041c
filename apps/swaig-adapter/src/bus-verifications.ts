import { VerificationDecided, type VerificationRequested } from '@countersign/contracts';
import { type BusClient } from '@countersign/messaging';
import { Verifications } from './ports.js';

/** {@link Verifications} over the bus: one command out, one reply to the address of this process. */
export class BusVerifications extends Verifications {
  constructor(
    private readonly bus: BusClient,
    private readonly timeoutMs: number,
  ) {
    super();
  }

  override async decide(request: VerificationRequested): Promise<VerificationDecided> {
    return this.bus.ask(request, VerificationDecided, this.timeoutMs);
  }
}
