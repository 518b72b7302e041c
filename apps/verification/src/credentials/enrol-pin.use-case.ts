import { Injectable } from '@nestjs/common';
import { capOf } from '../attempts/attempt-counter.decision.js';
import { ownDataWeakness, HISTORY_RULE, weakness } from './pin-rules.decision.js';
import { type EnrolledCredential, PinVault } from './credentials.ports.js';
import { SubjectStore } from '../subjects/subjects.ports.js';

/** A PIN that somebody wants for a subject. */
export interface PinRequest {
  readonly commandId: string;
  /** Id of the command in events, if the id in the tables differs from it. */
  readonly receivedCommandId?: string;
  readonly tenant: string;
  readonly subject: string;
  readonly pin: string;
  /** It is to be changed by the caller before it reaches the level `verified`. */
  readonly mustChange: boolean;
  readonly by: 'administrator' | 'caller';
  /** The only version that it may take the place of: what the caller has shown to know. Absent: whatever is in force. */
  readonly replaces?: number;
  /** {@link EnrolPin.ruleAgainst} found nothing with the version in force that it replaces. */
  readonly checked?: true;
  /** The verification in which the caller has shown to know it. */
  readonly keeps?: string | undefined;
}

/** `rule`: the PIN breaks it, and nothing was changed. `outdated`: another PIN came into force in between. */
export type PinEnrolment = 'created' | 'updated' | 'not_found' | 'outdated' | { readonly rule: string };

/** Enrolments of one subject rarely meet: one that was overtaken this often gives up. */
const TRIES = 3;

/** Enrols a PIN, if no rule speaks against it: the form, the subject's own numbers, its latest PINs. */
@Injectable()
export class EnrolPin {
  constructor(
    private readonly subjects: SubjectStore,
    private readonly vault: PinVault,
  ) {}

  /**
   * An administrator may enrol the PIN in force again, so that an import can be repeated. It forgives no failure and
   * forgets no known caller, unless the PIN is disabled: then it is enrolled anew. A caller may not: it would be no change.
   * @throws ServiceError HASH_QUEUE_FULL, DATABASE_UNAVAILABLE, both retriable
   */
  async enrol(request: PinRequest): Promise<PinEnrolment> {
    const rule = weakness(request.pin);
    if (rule !== undefined) return { rule };
    for (let left = TRIES; ; left--) {
      const result = await this.#enrol(request);
      if (result !== 'outdated' || request.replaces !== undefined || left === 1) return result;
    }
  }

  /**
   * The rule that speaks against a PIN now; undefined: none, or no such subject. Changes nothing.
   * @throws ServiceError HASH_QUEUE_FULL, DATABASE_UNAVAILABLE, both retriable
   */
  async ruleAgainst(request: PinRequest): Promise<string | undefined> {
    const rule = weakness(request.pin);
    if (rule !== undefined) return rule;
    const { commandId, tenant, subject } = request;
    const enrolled = await this.subjects.enrolled(commandId, tenant, subject, 'pin');
    return enrolled && (await this.#held(request, enrolled)).rule;
  }

  async #enrol(request: PinRequest): Promise<PinEnrolment> {
    const { commandId, receivedCommandId, tenant, subject, pin, mustChange, by, replaces, keeps } = request;
    const enrolled = await this.subjects.enrolled(commandId, tenant, subject, 'pin');
    if (!enrolled) return 'not_found';
    if (enrolled.repeated) return 'updated';
    const { rule, inForce: same } = await this.#held(request, enrolled);
    if (rule !== undefined) return { rule };
    return this.subjects.enrol(commandId, tenant, subject, {
      kind: 'pin',
      replaces: replaces ?? enrolled.version,
      again: same && !enrolled.disabled,
      mustChange,
      cap: capOf(pin.length),
      by,
      keeps,
      receivedCommandId,
      wrap: await this.vault.prepare(pin, tenant, enrolled.inForce, same),
    });
  }

  /** Against what is known of the subject: its numbers and its latest PINs. `inForce`: it is the one in force, and may be. */
  async #held(
    request: PinRequest,
    enrolled: EnrolledCredential,
  ): Promise<{ rule: string | undefined; inForce: boolean }> {
    const { pin, by, checked } = request;
    if (checked === true) return { rule: undefined, inForce: false };
    const rule = ownDataWeakness(pin, enrolled.phones);
    if (rule !== undefined) return { rule, inForce: false };
    const place = await this.vault.positionInHistory(pin, enrolled.inForce);
    const inForce = place === 0 && by === 'administrator';
    return { rule: place >= 0 && !inForce ? HISTORY_RULE : undefined, inForce };
  }
}
