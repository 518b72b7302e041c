import { type GuessDescribed, type LimitDimension, type VerificationRequested } from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { REPEAT_SECONDS, type Check, type Question } from './domain/decide.js';
import { ruleFor, type Settings } from './domain/settings.js';
import { type LimitKeys, type LimitPolicies, type Limits } from './ports.js';

/** The parts of a request that limits are about. */
export type Asked = Pick<
  GuessDescribed,
  'commandId' | 'tenant' | 'agent' | 'subjectKind' | 'subjectRef' | 'callId' | 'callerKey'
> &
  Partial<Pick<VerificationRequested, 'repeatSeconds'>>;

/** A request with every limit that it has to pass. */
export interface Posed {
  readonly question: Question;
  readonly signals: Limits['signals'];
}

/** Which limits a request has to pass, by the policies and by what is set apart from them. */
export class Questions {
  /** Set anew when something was changed; ends are times on `clock`. */
  settings: Settings = new Map();

  constructor(
    private readonly policies: LimitPolicies,
    private readonly keys: LimitKeys,
    private readonly clock: Clock,
  ) {}

  /** Undefined: no such agent in this tenant (any more). */
  of(asked: Asked): Posed | undefined {
    const { tenant, agent, callId, callerKey, subjectKind, subjectRef } = asked;
    const found = this.policies.of(tenant, agent);
    if (found === undefined) return undefined;
    const now = this.clock.now();
    const settings = this.settings.get(tenant);
    const check = (dimension: LimitDimension, target: string): Check => {
      const key = this.keys.key(dimension, tenant, target);
      return { dimension, key, ...ruleFor(found.limits[dimension], { dimension, target }, settings, now) };
    };
    const subject = `${subjectKind}:${subjectRef}`;
    const checks = [
      check('caller', callerKey),
      ...(callId === undefined ? [] : [check('call', callId)]),
      check('subject', subject),
      check('agent', agent),
      check('tenant', tenant),
      check('subjectsPerCaller', callerKey),
    ];
    const command = this.keys.short('command', tenant, asked.commandId);
    const member = this.keys.short('member', tenant, subject);
    const repeatSeconds = Math.min(asked.repeatSeconds ?? 0, REPEAT_SECONDS);
    return { question: { checks, command, repeatSeconds, member }, signals: found.signals };
  }
}
