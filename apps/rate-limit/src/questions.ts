import {
  limitCountersOf,
  limitTargetOf,
  SIGNAL_DEFAULTS,
  type LimitedRequest,
  type LimitPolicy,
  type Method,
} from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { REPEAT_SECONDS, type Question } from './domain/decide.js';
import { ruleFor, type Settings } from './domain/settings.js';
import { type LimitKeys, type LimitPolicies, type Limits } from './ports.js';

/** What the limiter decides about: a guess, or a request that brings none. */
export interface LimitRequest extends LimitedRequest {
  readonly commandId: string;
  /** For how long its repetition is free; absent: it never is. */
  readonly repeatSeconds?: number | undefined;
  /** For the record. */
  readonly callerTail?: string | undefined;
  readonly attestation?: string | undefined;
  readonly method?: Method | undefined;
}

/** Of enrolments at a tenant that this copy of the directory does not know yet: they are counted all the same. */
const UNKNOWN_TENANT: Pick<LimitPolicy, 'subject' | 'tenant'> = {
  subject: { limit: 20, periodSeconds: 60 },
  tenant: { limit: 6000, periodSeconds: 60 },
};

/** A request with every limit that it has to pass. */
export interface Posed {
  readonly question: Question;
  readonly signals: Limits['signals'];
}

type PolicyOf = Pick<Limits, 'signals'> & { readonly limits: Partial<LimitPolicy> };

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
  of(asked: LimitRequest): Posed | undefined {
    const { tenant, commandId, subjectKind, subjectRef } = asked;
    const found = this.#policyOf(asked);
    if (found === undefined) return undefined;
    const now = this.clock.now();
    const settings = this.settings.get(tenant);
    const checks = limitCountersOf(asked).map((counter) => {
      const { dimension } = counter;
      const target = limitTargetOf(counter);
      const key = this.keys.key(tenant, counter);
      const limit = found.limits[dimension] ?? UNKNOWN_TENANT.tenant;
      return { dimension, key, ...ruleFor(limit, { dimension, target }, settings, now) };
    });
    const command = this.keys.command(tenant, commandId);
    const named = subjectKind !== undefined && subjectRef !== undefined;
    const member = named ? this.keys.member({ tenant, subjectKind, subjectRef }) : '0';
    const repeatSeconds = Math.min(asked.repeatSeconds ?? 0, REPEAT_SECONDS);
    return { question: { checks, command, repeatSeconds, member }, signals: found.signals };
  }

  #policyOf({ tenant, agent, action }: LimitRequest): PolicyOf | undefined {
    if (action !== 'enrolment') return agent === undefined ? undefined : this.policies.of(tenant, agent);
    return { limits: this.policies.ofTenant(tenant) ?? UNKNOWN_TENANT, signals: SIGNAL_DEFAULTS };
  }
}
