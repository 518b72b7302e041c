import { Injectable } from '@nestjs/common';
import { type Actor } from '@countersign/contracts';
import { capOf } from '../attempts/gate/attempt-counter.decision.js';
import { ownDataWeakness, HISTORY_RULE, weakness } from './pin-rules.decision.js';
import { type EnrolledCredential, PinVault } from './credentials.ports.js';
import { SubjectStore } from '../subjects/subjects.ports.js';

/** A PIN to enrol for a subject. */
export interface PinRequest {
  readonly commandId: string;
  /** Id of the command in events, if the id in the tables differs from it. */
  readonly receivedCommandId?: string;
  readonly tenant: string;
  readonly subject: string;
  readonly pin: string;
  /** The caller must change it before it reaches the level `verified`. */
  readonly mustChange: boolean;
  readonly by: 'administrator' | 'caller';
  /** Who requested it; undefined: the caller. */
  readonly actor?: Actor;
  /** The only version that it may replace: the one that the caller proved to know. Absent: the version in force. */
  readonly replaces?: number;
  /** {@link EnrolPin.ruleAgainst} found no broken rule, with the version that it replaces. */
  readonly checked?: true;
  /** The verification in which the caller proved to know the replaced PIN. It continues. */
  readonly keeps?: string | undefined;
}

/** `rule`: the PIN breaks it, and nothing was changed. `outdated`: another PIN was enrolled in the meantime. */
export type PinEnrolment = 'created' | 'updated' | 'not_found' | 'outdated' | { readonly rule: string };

/** Concurrent enrolments of one subject are rare, so an enrolment is given up after this many runs. */
const MAX_RUNS = 3;

/** Enrols a PIN if it breaks no rule about its form, the telephone numbers of the subject and its latest PINs. */
@Injectable()
export class EnrolPin {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly vault: PinVault,
  ) {}

  /**
   * An administrator may enrol the PIN in force again, so an import can be repeated. This keeps failures and recognized callers,
   * unless the PIN is disabled: then it is enrolled like a new one. A caller may not, because nothing would change.
   * @throws ServiceError HASH_QUEUE_FULL, DATABASE_UNAVAILABLE, both retriable
   */
  async enrol(request: PinRequest): Promise<PinEnrolment> {
    const rule = weakness(request.pin);
    if (rule !== undefined) return { rule };
    for (let run = 1; ; run++) {
      const result = await this.#enrol(request);
      if (result !== 'outdated' || request.replaces !== undefined || run === MAX_RUNS) return result;
    }
  }

  /**
   * The rule that a PIN breaks; undefined: none, or no such subject. Changes nothing.
   * @throws ServiceError HASH_QUEUE_FULL, DATABASE_UNAVAILABLE, both retriable
   */
  async ruleAgainst(request: PinRequest): Promise<string | undefined> {
    const rule = weakness(request.pin);
    if (rule !== undefined) return rule;
    const { commandId, tenant, subject } = request;
    const enrolled = await this.subjects.enrolled(commandId, tenant, subject, 'pin');
    return enrolled && (await this.#checkAgainstSubject(request, enrolled)).rule;
  }

  async #enrol(request: PinRequest): Promise<PinEnrolment> {
    const { commandId, receivedCommandId, tenant, subject, pin, mustChange, by, actor, replaces, keeps } = request;
    const enrolled = await this.subjects.enrolled(commandId, tenant, subject, 'pin');
    if (!enrolled) return 'not_found';
    if (enrolled.repeated) return 'updated';
    const { rule, inForce: same } = await this.#checkAgainstSubject(request, enrolled);
    if (rule !== undefined) return { rule };
    return this.subjects.enrol(commandId, tenant, subject, {
      kind: 'pin',
      replaces: replaces ?? enrolled.version,
      again: same && !enrolled.disabled,
      mustChange,
      cap: capOf(pin.length),
      by,
      actor,
      keeps,
      receivedCommandId,
      wrap: await this.vault.prepare(pin, tenant, enrolled.inForce ?? enrolled.removed, same),
    });
  }

  /** Checks a PIN against the numbers and latest PINs of the subject. `inForce`: it equals the PIN in force, and may. */
  async #checkAgainstSubject(
    request: PinRequest,
    enrolled: EnrolledCredential,
  ): Promise<{ rule: string | undefined; inForce: boolean }> {
    const { pin, by, checked } = request;
    if (checked === true) return { rule: undefined, inForce: false };
    const rule = ownDataWeakness(pin, enrolled.phones);
    if (rule !== undefined) return { rule, inForce: false };
    const place = await this.vault.positionInHistory(pin, enrolled.inForce ?? enrolled.removed);
    const inForce = place === 0 && enrolled.inForce !== undefined && by === 'administrator';
    return { rule: place >= 0 && !inForce ? HISTORY_RULE : undefined, inForce };
  }
}
