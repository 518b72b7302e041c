import { Injectable } from '@nestjs/common';
import { ArrayMaxSize, IsArray, IsOptional, IsString, Length, Matches, MaxLength, validateSync } from 'class-validator';
import {
  bindingOf,
  CommandAnswered,
  KnowledgeChangeRequested,
  message,
  PinChangeRequested,
  SubjectChangeRequested,
  type MessageClass,
  type SubjectStateRequested,
  type Violation,
} from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { toE164 } from '@countersign/normalization';
import { EnrolKnowledge } from '../knowledge/enrol-knowledge.use-case.js';
import { EnrolPin } from '../credentials/enrol-pin.use-case.js';
import { type ProfileChange } from './profile.decision.js';
import { AttemptPolicies, SealedPayloads } from '../attempts/attempts.ports.js';
import { SubjectStore } from './subjects.ports.js';

/** The sealed payload of a subject command: new values, and `null` for fields to clear. */
class SubjectProfile {
  @IsOptional() @IsArray() @ArrayMaxSize(20) @IsString({ each: true }) @MaxLength(32, { each: true }) phones?:
    string[] | null;
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: '$property must not hold control characters' })
  displayName?: string | null;
  @IsOptional()
  @Matches(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/, { message: '$property must be a language tag' })
  locale?: string | null;
}

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
    const profile = Object.assign(new SubjectProfile(), pick(opened, ['phones', 'displayName', 'locale']));
    const faults = validateSync(profile, { validationError: { target: false, value: false } });
    const violations: Violation[] = faults.flatMap((fault) =>
      Object.values(fault.constraints ?? {}).map((rule) => ({ field: fault.property, rule })),
    );
    const phones = (profile.phones ?? []).map((phone, at) => {
      const number = toE164(phone);
      if (number === undefined)
        violations.push({ field: `phones[${at}]`, rule: 'must be a telephone number in E.164 form' });
      return number ?? '';
    });
    if (violations.length > 0) return answered(command.commandId, { answer: 'invalid', violations });
    const { commandId, tenant, subject, mustExist, actor } = command;
    const change: ProfileChange = {
      displayName: profile.displayName,
      locale: profile.locale,
      ...(profile.phones === undefined ? {} : { phones: [...new Set(phones)] }),
    };
    const result = await this.subjects.change(commandId, tenant, subject, change, mustExist, actor);
    const carriedOut = result === 'created' || result === 'updated';
    return answered(commandId, { answer: result, ...(carriedOut ? { body: { subject } } : {}) });
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

  async state(command: SubjectStateRequested): Promise<CommandAnswered> {
    const { tenant, subject } = command;
    const state = await this.subjects.state(tenant, subject, this.policies.longestWindow(tenant));
    if (!state) return answered(command.commandId, { answer: 'not_found' });
    return answered(command.commandId, { answer: 'found', body: { ...state } });
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

function pick(from: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));
}
