import { CallStateRequested, message, type AgentPublished, type CallStateAnswered } from '@countersign/contracts';
import { callerOf } from './caller.js';
import { type CallStates } from '../swaig-adapter.ports.js';
import { type FunctionCall } from './swaig-request.js';

/** Tells what is known of the caller, from the services' own record and from nothing that a request says. */
export class ReportStatus {
  constructor(private readonly callStates: CallStates) {}

  /**
   * Undefined: nothing can be known, because the platform named no call.
   * @throws ServiceError when there is no answer in time
   */
  async requestState(agent: AgentPublished, call: FunctionCall): Promise<CallStateAnswered | undefined> {
    const { callId } = callerOf(agent, call);
    if (callId === undefined) return undefined;
    return this.callStates.request(message(CallStateRequested, { tenant: agent.tenant, agent: agent.agent, callId }));
  }
}
