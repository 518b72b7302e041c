import { Injectable } from '@nestjs/common';
import { CallStateAnswered, type CallStateRequested, type FactRecorded } from '@countersign/contracts';
import { BusClient } from '@countersign/messaging';
import { CallStates, Facts } from './swaig-adapter.ports.js';
import { SwaigSettings } from './swaig-adapter.settings.js';

/** {@link CallStates} over the bus: one query, and one reply to the reply address of this process. */
@Injectable()
export class BusCallStates extends CallStates {
  constructor(
    private readonly bus: BusClient,
    private readonly settings: SwaigSettings,
  ) {
    super();
  }

  override async request(request: CallStateRequested): Promise<CallStateAnswered> {
    return this.bus.request(request, CallStateAnswered, this.settings.REPLY_TIMEOUT_MS);
  }
}

/** {@link Facts} over the bus, with acknowledgement by all in-sync replicas. */
@Injectable()
export class BusFacts extends Facts {
  constructor(private readonly bus: BusClient) {
    super();
  }

  override async record(fact: FactRecorded): Promise<void> {
    await this.bus.publish([{ message: fact }]);
  }
}
