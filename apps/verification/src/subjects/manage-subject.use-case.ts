import { Injectable } from '@nestjs/common';
import {
  bindingOf,
  CommandAnswered,
  type CredentialRemoveRequested,
  KnowledgeChangeRequested,
  message,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectListRequested,
  type MessageClass,
  type SubjectStateRequested,
} from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { EnrolKnowledge } from '../knowledge/enrol-knowledge.use-case.js';
import { EnrolPin } from '../credentials/enrol-pin.use-case.js';
import { AttemptPolicies, SealedPayloads } from '../attempts/attempts.ports.js';
import { isViolations, readProfile } from './profiles/read-profile.js';
import { SubjectStore } from './subjects.ports.js';

type Answer = Partial<Pick<CommandAnswered, 'violations' | 'body'>> & Pick<CommandAnswered, 'answer'>;

/** Creates and changes subjects, enrols their PINs and answers, and reads their state. */
@Injectable()
export class ManageSubject {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly payloads: SealedPayloads,
    private readonly enrolPin: EnrolPin,
    private readonly enrolKnowledge: EnrolKnowledge,
    private readonly policies: AttemptPolicies,
  ) {}

  async change(command: SubjectChangeRequested): Promise<CommandAnswered> {
    const opened = await this.#open(SubjectChangeRequested, command);
    if (!opened) return answered(command.commandId, { answer: 'unavailable' });
    const change = readProfile(opened);
    if (isViolations(change)) return answered(command.commandId, { answer: 'invalid', violations: [...change] });
    const { commandId, tenant, subject, mustExist, actor, preconditions } = command;
    if (!this.policies.hasTenant(tenant)) return answered(commandId, { answer: 'not_found' });
    const result = await this.subjects.change(commandId, tenant, subject, change, mustExist, actor, preconditions);
    if (result !== 'created' && result !== 'updated') return answered(commandId, { answer: result });
    return this.#withState(command, result);
  }

  async enrol(command: PinChangeRequested): Promise<CommandAnswered> {
    const opened = await this.#open(PinChangeRequested, command);
    if (!opened) return answered(command.commandId, { answer: 'unavailable' });
    const pin = typeof opened['pin'] === 'string' ? opened['pin'] : '';
    const { commandId, tenant, subject, actor } = command;
    const mustChange = opened['forceChange'] === true;
    const result = await this.enrolPin.enrol({
      commandId,
      tenant,
      subject,
      pin,
      mustChange,
      by: 'administrator',
      actor,
    });
    if (typeof result === 'object') {
      return answered(commandId, { answer: 'invalid', violations: [{ field: 'pin', rule: result.rule }] });
    }
    return answered(commandId, { answer: result === 'outdated' ? 'unavailable' : result });
  }

  async enrolAnswers(command: KnowledgeChangeRequested): Promise<CommandAnswered> {
    const opened = await this.#open(KnowledgeChangeRequested, command);
    if (!opened) return answered(command.commandId, { answer: 'unavailable' });
    const { commandId, tenant, subject, actor } = command;
    const answers = opened['answers'];
    const result = await this.enrolKnowledge.enrol({ commandId, tenant, subject, answers, actor });
    if (typeof result === 'object') return answered(commandId, { answer: 'invalid', violations: [...result] });
    return answered(commandId, { answer: result });
  }

  async removeCredential(command: CredentialRemoveRequested): Promise<CommandAnswered> {
    const { commandId, tenant, subject, method, actor } = command;
    const result = await this.subjects.removeCredential(commandId, tenant, subject, method, actor);
    return answered(commandId, { answer: result === 'removed' ? 'updated' : 'not_found' });
  }

  state(command: SubjectStateRequested): Promise<CommandAnswered> {
    return this.#withState(command, 'found');
  }

  /** A page has at most 200 subjects, which fit into one message. */
  async list(command: SubjectListRequested): Promise<CommandAnswered> {
    const { commandId, tenant, limit, cursor: after, credential, sealed } = command;
    if (!this.policies.hasTenant(tenant)) return answered(commandId, { answer: 'not_found' });
    const opened = sealed === undefined ? {} : await this.#open(SubjectListRequested, { ...command, sealed });
    if (!opened) return answered(commandId, { answer: 'unavailable' });
    const windowSeconds = this.policies.longestWindow(tenant);
    if (typeof opened['subject'] === 'string') {
      const found = await this.subjects.state(tenant, opened['subject'], windowSeconds);
      return answered(commandId, { answer: 'found', body: { items: found ? [{ ...found }] : [], nextCursor: null } });
    }
    const phone = sealed === undefined ? undefined : String(opened['phone']);
    const { items, next = null } = await this.subjects.list(tenant, { limit, after, phone, credential, windowSeconds });
    return answered(commandId, { answer: 'found', body: { items, nextCursor: next } });
  }

  /** The subject as it is now; `not_found` if it does not exist any more. */
  async #withState(
    { commandId, tenant, subject }: Pick<SubjectStateRequested, 'commandId' | 'tenant' | 'subject'>,
    answer: CommandAnswered['answer'],
  ): Promise<CommandAnswered> {
    const state = await this.subjects.state(tenant, subject, this.policies.longestWindow(tenant));
    if (!state) return answered(commandId, { answer: 'not_found' });
    return answered(commandId, { answer, body: { ...state } });
  }

  /** Undefined if the payload does not decrypt, because the adapter and this service do not share a key. */
  async #open(type: MessageClass, command: SealedCommand): Promise<Record<string, unknown> | undefined> {
    try {
      return await this.payloads.open(command.sealed, bindingOf(type, command));
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
  }
}

/** A subject command with a sealed payload. */
type SealedCommand = Pick<SubjectChangeRequested, 'commandId' | 'tenant' | 'sealed'>;

function answered(commandId: string, answer: Answer): CommandAnswered {
  return message(CommandAnswered, { commandId, ...answer });
}
