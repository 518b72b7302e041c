import {
  limitCountersOf,
  limitTargetOf,
  SIGNAL_DEFAULTS,
  type LimitedRequest,
  type LimitPolicy,
  type Method,
  type NamesUnderKey,
} from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import { MAX_REPEAT_SECONDS, type LimitRequest } from './limit.decision.js';
import { type ForeignKeys } from './foreign-keys.js';
import { ruleFor, type LimitSettings } from '../overrides/limit-rules.decision.js';
import { type LimitKeys, type LimitPolicies, type PolicyLimits } from './limits.ports.js';

/** What the limiter decides about: a guess, or a request that brings none. */
export interface RequestToLimit extends LimitedRequest {
  readonly commandId: string;
  /** For how long its repetition is free; absent: it never is. */
  readonly repeatSeconds?: number | undefined;
  /** Absent where nothing in the request is named by a keyed hash. */
  readonly keyId?: string | undefined;
  readonly alsoNamed?: readonly NamesUnderKey[] | undefined;
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
export interface LimitRequestWithSignals {
  /** The same, by the names of each key that the limiter shares with the adapter; never empty. All have to admit it. */
  readonly questions: readonly [LimitRequest, ...LimitRequest[]];
  readonly signals: PolicyLimits['signals'];
}

/** Names of counters under one key of IDENTIFIER_KEY. */
export interface KeysOfOne {
  readonly keyId: string;
  readonly keys: LimitKeys;
}

type PolicyOf = Pick<PolicyLimits, 'signals'> & { readonly limits: Partial<LimitPolicy> };

/** Which limits a request has to pass, by the policies and by what is set apart from them. */
export class LimitRequests {
  /** Set anew when something was changed; ends are times on `clock`. */
  settings: LimitSettings = new Map();
  /** Ids of the keys under which every request is counted. A request that is not named under one of them is not decided. */
  required: readonly string[] = [];

  /** @param keys in the order of the setting */
  constructor(
    private readonly policies: LimitPolicies,
    private readonly keys: readonly KeysOfOne[],
    private readonly clock: Clock,
    private readonly foreign?: ForeignKeys,
  ) {}

  /**
   * Undefined: no such agent in this tenant (any more), or the request is not named under the keys of this limiter. While one
   * key takes the place of another, a request is counted under both: so no counter begins anew when the old one leaves.
   */
  of(asked: RequestToLimit): LimitRequestWithSignals | undefined {
    const found = this.#policyOf(asked);
    if (found === undefined) return undefined;
    const named = this.#namings(asked);
    const all = named.map(({ names }) => limitCountersOf(names).map(limitTargetOf));
    const questions = named.flatMap(({ names, keys }) =>
      keys === undefined ? [] : [this.#question(names, keys, found, all)],
    );
    const [first, ...others] = questions;
    if (first === undefined) this.foreign?.note();
    return first && { questions: [first, ...others], signals: found.signals };
  }

  /** The request by the names of each key, and the names of its counters where this limiter holds the key. */
  #namings(asked: RequestToLimit): { readonly names: RequestToLimit; readonly keys: LimitKeys | undefined }[] {
    const { keyId, alsoNamed = [] } = asked;
    if (keyId === undefined) return this.keys.map(({ keys }) => ({ names: asked, keys }));
    const held = (id: string): LimitKeys | undefined => this.keys.find((one) => one.keyId === id)?.keys;
    const ids = [keyId, ...alsoNamed.map((names) => names.keyId)];
    if (!this.required.every((id) => ids.includes(id))) return [];
    return [
      { names: asked, keys: held(keyId) },
      ...alsoNamed.map(({ keyId: id, commandId, subjectRef, callerKey }) => ({
        names: { ...asked, commandId, subjectRef, callerKey },
        keys: held(id),
      })),
    ];
  }

  /** @param targets of each counter, by every key: an override may know another name of it than this key's */
  #question(asked: RequestToLimit, keys: LimitKeys, { limits }: PolicyOf, targets: readonly string[][]): LimitRequest {
    const { tenant, commandId, subjectKind, subjectRef } = asked;
    const now = this.clock.now();
    const settings = this.settings.get(tenant);
    const checks = limitCountersOf(asked).map((counter, at) => {
      const { dimension } = counter;
      const of = { dimension, targets: targets.flatMap((names) => names.slice(at, at + 1)) };
      return {
        dimension,
        key: keys.key(tenant, counter),
        ...ruleFor(limits[dimension] ?? UNKNOWN_TENANT.tenant, of, settings, now),
      };
    });
    const named = subjectKind !== undefined && subjectRef !== undefined;
    return {
      checks,
      command: keys.command(tenant, commandId),
      repeatSeconds: Math.min(asked.repeatSeconds ?? 0, MAX_REPEAT_SECONDS),
      member: named ? keys.member({ tenant, subjectKind, subjectRef }) : '0',
    };
  }

  #policyOf({ tenant, agent, action }: RequestToLimit): PolicyOf | undefined {
    if (action !== 'enrolment') return agent === undefined ? undefined : this.policies.ofAgent(tenant, agent);
    return { limits: this.policies.ofTenant(tenant) ?? UNKNOWN_TENANT, signals: SIGNAL_DEFAULTS };
  }
}
