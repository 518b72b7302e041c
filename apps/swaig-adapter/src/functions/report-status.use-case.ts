import { Injectable } from '@nestjs/common';
import { CallStateRequested, message, type AgentPublished, type CallStateAnswered } from '@countersign/contracts';
import { callIdOf } from './caller.js';
import { CallStates } from '../swaig-adapter.ports.js';
import { type FunctionCall } from './swaig-request.js';

/** Reports whether a call is verified. Uses only the record of verification, because anyone can write into a request. */
@Injectable()
export class ReportStatus {
  constructor(private readonly callStates: CallStates) {}

  /**
   * Returns undefined if the platform sent no call id, because verifications belong to calls.
   * @throws ServiceError when there is no answer in time
   */
  async requestState(agent: AgentPublished, call: FunctionCall): Promise<CallStateAnswered | undefined> {
    const callId = callIdOf(agent.tenant, call);
    if (callId === undefined) return undefined;
    return this.callStates.request(message(CallStateRequested, { tenant: agent.tenant, agent: agent.agent, callId }));
  }
}
