import { CallStateAnswered, CallStateRequested, message, type AgentPublished } from '@countersign/contracts';
import { type BusClient } from '@countersign/messaging';
import { CallStates } from './ports.js';

/** {@link CallStates} over the bus. */
export class BusCallStates extends CallStates {
  constructor(
    private readonly bus: BusClient,
    private readonly timeoutMs: number,
  ) {
    super();
  }

  override find({ tenant, agent }: AgentPublished, callId: string): Promise<CallStateAnswered> {
    return this.bus.ask(message(CallStateRequested, { tenant, agent, callId }), CallStateAnswered, this.timeoutMs);
  }
}
