import {
  CallStateAnswered,
  VerificationDecided,
  type CallStateRequested,
  type FactRecorded,
  type VerificationRequested,
} from '@countersign/contracts';
import { type BusClient } from '@countersign/messaging';
import { Facts, Verifications } from './ports.js';

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

  override async callState(request: CallStateRequested): Promise<CallStateAnswered> {
    return this.bus.ask(request, CallStateAnswered, this.timeoutMs);
  }
}

/** {@link Facts} over the bus, acknowledged by all brokers that must have them. */
export class BusFacts extends Facts {
  constructor(private readonly bus: BusClient) {
    super();
  }

  override async record(fact: FactRecorded): Promise<void> {
    await this.bus.publish([{ message: fact }]);
  }
}
