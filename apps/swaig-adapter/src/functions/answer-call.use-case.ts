import { Injectable } from '@nestjs/common';
import { type AgentPublished, type Outcome, type Policy } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { type AttemptDecision, type SubmittedSecret } from '@countersign/verification-client';
import { readCustomerId } from '../speech/customer-id.js';
import { readAnswers, describeQuestions } from '../speech/answers.js';
import { callIdOf } from './caller.js';
import { CollectPin } from '../keypad/collect-pin.use-case.js';
import { isFunction } from './function-definitions.js';
import { SwaigRequestLimits } from '../http/request-limits.js';
import { RequestTransfer } from './request-transfer.use-case.js';
import { renderText } from '../replies/render-text.js';
import { readPin } from '../speech/spoken-digits.js';
import {
  notVerifiedReply,
  decisionReply,
  textReply,
  stateReply,
  transferReply,
  type SwaigReply,
} from '../replies/swaig-reply.js';
import { type FunctionCall } from './swaig-request.js';
import { ReportStatus } from './report-status.use-case.js';
import { VerifyCaller } from './verify-caller.use-case.js';

/** The reply to a function call, with its outcome for the log and the metrics. */
export interface FunctionResult {
  readonly reply: SwaigReply;
  readonly outcome:
    | Outcome
    | 'bad_argument'
    | 'after_hang_up'
    | 'not_offered'
    | 'noted'
    | 'status_reported'
    | 'transferred'
    | 'not_transferred'
    | 'keypad'
    | 'used';
  /** Code of the fault that made the outcome `unavailable`. */
  readonly fault?: string;
}

/** Functions that the platform calls on its own. Its documentation contains both spellings of the hooks. */
const PLATFORM_FUNCTIONS: ReadonlySet<string> = new Set([
  'startup_hook',
  'start_hook',
  'hangup_hook',
  'stop_hook',
  'summarize_conversation',
]);

/** Answers a function call. Calls of functions that do not exist or that the policy does not allow have no effect. */
@Injectable()
export class AnswerCall {
  constructor(
    private readonly verifyCaller: VerifyCaller,
    private readonly reportStatus: ReportStatus,
    private readonly requestTransfer: RequestTransfer,
    private readonly collectPin: CollectPin,
    private readonly limits: SwaigRequestLimits,
  ) {}

  async answer(agent: AgentPublished, call: FunctionCall): Promise<FunctionResult> {
    const { policy } = agent;
    const { functionName } = call;
    if (PLATFORM_FUNCTIONS.has(functionName)) return { reply: textReply(policy, 'noted'), outcome: 'noted' };
    try {
      if (!isFunction(functionName) || !policy.functions.includes(functionName)) {
        return await this.#withinLimits(agent, call, () => ({
          reply: textReply(policy, 'not_offered'),
          outcome: 'not_offered',
        }));
      }
      // A late delivery: the caller has hung up, so it must neither count an attempt nor transfer a call.
      if (call.afterHangUp) {
        return await this.#withinLimits(agent, call, () => ({
          reply: textReply(policy, 'after_hang_up'),
          outcome: 'after_hang_up',
        }));
      }
      switch (functionName) {
        case 'verify_pin':
          return await this.#verifyPin(agent, call);
        case 'verify_identity':
          return await this.#verifyIdentity(agent, call);
        case 'verification_status':
          return await this.#withinLimits(agent, call, () => this.#reportStatus(agent, call));
        case 'request_transfer':
          return await this.#withinLimits(agent, call, () => this.#requestTransfer(agent, call));
        case 'collect_pin':
          return await this.#withinLimits(agent, call, () => this.#collectPin(agent, call));
      }
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { reply: textReply(policy, 'unavailable'), outcome: 'unavailable', fault: error.code };
    }
  }

  async #verifyPin(agent: AgentPublished, call: FunctionCall): Promise<FunctionResult> {
    const pin = readPin(call.args['pin']);
    if (pin === undefined) {
      return this.#withinLimits(agent, call, () => ({
        reply: textReply(agent.policy, 'bad_pin'),
        outcome: 'bad_argument',
      }));
    }
    return this.#verify(agent, call, { method: 'pin', pin });
  }

  async #verifyIdentity(agent: AgentPublished, call: FunctionCall): Promise<FunctionResult> {
    const { policy } = agent;
    const { questions } = policy.knowledge;
    if (questions.length === 0) {
      return this.#withinLimits(agent, call, () => ({
        reply: textReply(policy, 'not_offered'),
        outcome: 'not_offered',
      }));
    }
    const read = readAnswers(questions, call.args);
    if ('answers' in read) return this.#verify(agent, call, { method: 'knowledge', answers: read.answers });
    const response = renderText(policy, 'bad_answer', { questions: describeQuestions(policy, read.missing) });
    return this.#withinLimits(agent, call, () => ({ reply: { response }, outcome: 'bad_argument' }));
  }

  /** Applies the limits of call, agent and tenant to a call without an attempt. Attempts are limited on their own path. */
  async #withinLimits(
    agent: AgentPublished,
    call: FunctionCall,
    answer: () => FunctionResult | Promise<FunctionResult>,
  ): Promise<FunctionResult> {
    return (await this.limits.findRefusal(agent, callIdOf(agent.tenant, call))) ?? answer();
  }

  async #verify(agent: AgentPublished, call: FunctionCall, secret: SubmittedSecret): Promise<FunctionResult> {
    // A misread id would count an attempt of another subject, so the caller has to repeat it.
    const customerId = readCustomerId(call.args['customer_id']);
    if (customerId.kind === 'unclear') {
      return { reply: textReply(agent.policy, 'bad_customer_id'), outcome: 'bad_argument' };
    }
    const id = customerId.kind === 'given' ? customerId.id : '';
    const decision = await this.verifyCaller.verify(agent, call, id, secret);
    return attemptResult(decision, agent.policy);
  }

  async #reportStatus(agent: AgentPublished, call: FunctionCall): Promise<FunctionResult> {
    const state = await this.reportStatus.requestState(agent, call);
    return {
      reply: state ? stateReply(state, agent.policy) : notVerifiedReply(agent.policy),
      outcome: 'status_reported',
    };
  }

  async #requestTransfer(agent: AgentPublished, call: FunctionCall): Promise<FunctionResult> {
    const { policy } = agent;
    const transfer = await this.requestTransfer.chooseTransfer(agent, call);
    if (transfer) {
      return { reply: transferReply(policy, transfer.department, transfer.destination), outcome: 'transferred' };
    }
    const departments = Object.keys(policy.transfers).join(', ');
    const response =
      departments === '' ? renderText(policy, 'not_offered') : renderText(policy, 'transfer_refused', { departments });
    return { reply: { response }, outcome: 'not_transferred' };
  }

  #collectPin(agent: AgentPublished, call: FunctionCall): FunctionResult {
    const reply = this.collectPin.startEntry(agent, call);
    if (reply) return { reply, outcome: 'keypad' };
    return { reply: textReply(agent.policy, 'keypad_refused'), outcome: 'bad_argument' };
  }
}

/** The result of an attempt. A conflict is an attempt without a decision. */
export function attemptResult(decision: AttemptDecision, policy: Policy): FunctionResult {
  const { conflict, outcome, fault } = decision;
  return {
    reply: decisionReply(decision, policy),
    outcome: conflict === undefined ? outcome : 'unavailable',
    ...(fault === undefined ? {} : { fault }),
  };
}
