import {
  limitCountersOf,
  limitTargetOf,
  SIGNAL_DEFAULTS,
  type LimitCounter,
  type LimitedRequest,
  type LimitPolicy,
  type Method,
  type NamesUnderKey,
} from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import { Clock } from '@countersign/runtime';
import { MAX_REPEAT_SECONDS, type LimitCheck, type LimitRequest } from './limit.decision.js';
import { ForeignKeys, RequiredKeys } from './required-keys.js';
import { ruleFor, type LimitSettings } from '../overrides/limit-rules.decision.js';
import { LimitKeyring, LimitPolicies, type LimitKeys, type PolicyLimits } from './limits.ports.js';

/** A message that the limiter decides about: an attempt, or a request without a submitted secret. */
export interface RequestToLimit extends LimitedRequest {
  readonly commandId: string;
  /** Seconds in which a repetition of this command is admitted and counts nothing; absent: a repetition counts. */
  readonly repeatSeconds?: number | undefined;
  /** Id of the key that hashed the identifiers; absent if the request has no hashed identifiers. */
  readonly keyId?: string | undefined;
  readonly alsoNamed?: readonly NamesUnderKey[] | undefined;
  /** Only for audit events. */
  readonly callerTail?: string | undefined;
  readonly attestation?: string | undefined;
  readonly method?: Method | undefined;
}

/** Limits for enrolments at a tenant that the directory cache does not have yet, so that they are counted too. */
const UNKNOWN_TENANT: Pick<LimitPolicy, 'subject' | 'tenant'> = {
  subject: { limit: 20, periodSeconds: 60 },
  tenant: { limit: 6000, periodSeconds: 60 },
};

/** Everything that a request is decided by. */
export interface LimitRequestWithSignals {
  /** One for each IDENTIFIER_KEY that limiter and adapter share; never empty. All of them must admit the request. */
  readonly limitRequests: readonly [LimitRequest, ...LimitRequest[]];
  readonly signals: PolicyLimits['signals'];
}

/** A request with its names under one key, and the counters that they select. */
interface NamedRequest {
  readonly names: RequestToLimit;
  readonly keys: LimitKeys;
  readonly counters: readonly LimitCounter[];
}

type PolicyOf = Pick<PolicyLimits, 'signals'> & { readonly limits: Partial<LimitPolicy> };

/** Builds limit requests from the policies, the overrides and tightened limits. */
@Injectable()
export class LimitRequests {
  /** Replaced after each change. End times are on `clock`. */
  settings: LimitSettings = new Map();

  constructor(
    private readonly policies: LimitPolicies,
    private readonly keyring: LimitKeyring,
    private readonly requiredKeys: RequiredKeys,
    private readonly clock: Clock,
    private readonly foreign: ForeignKeys,
  ) {}

  /**
   * The limit requests to decide a request by. Undefined: it cannot be decided, because {@link of} returns undefined, because
   * it has no names under a required key, or because the required keys are not known. During a key rotation a request is
   * counted under both keys, so no counter starts again at zero when the old key is removed.
   */
  toDecide(request: RequestToLimit): LimitRequestWithSignals | undefined {
    const { keyId, alsoNamed = [] } = request;
    const required = this.requiredKeys.ids();
    if (required === undefined) return undefined;
    const isNamedUnder = (id: string): boolean => id === keyId || alsoNamed.some((names) => names.keyId === id);
    if (keyId === undefined || required.every(isNamedUnder)) return this.of(request);
    this.foreign.note();
    return undefined;
  }

  /**
   * The limit requests of a request that was decided already. Undefined: the tenant has no such agent (any more), or the
   * request has no names under the keys of this limiter.
   */
  of(request: RequestToLimit): LimitRequestWithSignals | undefined {
    const found = this.#policyOf(request);
    if (found === undefined) return undefined;
    // Names under keys that this limiter does not have are not checked, so an override must not be found by them.
    const named = this.#namings(request).flatMap(({ names, keys }) =>
      keys === undefined ? [] : [{ names, keys, counters: limitCountersOf(names) }],
    );
    const targets = named.map(({ counters }) => counters.map(limitTargetOf));
    const [first, ...others] = named.map((one) => this.#limitRequest(one, found, targets));
    if (first === undefined) this.foreign.note();
    return first && { limitRequests: [first, ...others], signals: found.signals };
  }

  /** The request with its names under each key, and the counter names where this limiter has the key. */
  #namings(request: RequestToLimit): { readonly names: RequestToLimit; readonly keys: LimitKeys | undefined }[] {
    const { keyId, alsoNamed = [] } = request;
    if (keyId === undefined) return this.keyring.each.map(({ keys }) => ({ names: request, keys }));
    return [
      { names: request, keys: this.keyring.find(keyId) },
      ...alsoNamed.map(({ keyId: id, commandId, subjectRef, callerKey }) => ({
        names: { ...request, commandId, subjectRef, callerKey },
        keys: this.keyring.find(id),
      })),
    ];
  }

  /** @param targets of each counter under every key, because an override may have been set under another key than this one */
  #limitRequest(
    { names: request, keys, counters }: NamedRequest,
    { limits }: PolicyOf,
    targets: readonly string[][],
  ): LimitRequest {
    const { tenant, commandId, subjectKind, subjectRef } = request;
    const now = this.clock.now();
    const settings = this.settings.get(tenant);
    const checks: LimitCheck[] = [];
    for (const [at, counter] of counters.entries()) {
      const { dimension } = counter;
      const of = { dimension, targets: targets.flatMap((names) => names.slice(at, at + 1)) };
      // A caller and the subjects of that caller share a key, which is hashed once.
      const shared =
        dimension === 'subjectsPerCaller' ? checks.find((check) => check.dimension === 'caller') : undefined;
      const rule = ruleFor(limits[dimension] ?? UNKNOWN_TENANT.tenant, of, settings, now);
      checks.push({ dimension, key: shared?.key ?? keys.key(tenant, counter), ...rule });
    }
    const named = subjectKind !== undefined && subjectRef !== undefined;
    return {
      checks,
      command: keys.command(tenant, commandId),
      repeatSeconds: Math.min(request.repeatSeconds ?? 0, MAX_REPEAT_SECONDS),
      member: named ? keys.member({ tenant, subjectKind, subjectRef }) : '0',
    };
  }

  #policyOf({ tenant, agent, action }: RequestToLimit): PolicyOf | undefined {
    if (action !== 'enrolment') return agent === undefined ? undefined : this.policies.ofAgent(tenant, agent);
    return { limits: this.policies.ofTenant(tenant) ?? UNKNOWN_TENANT, signals: SIGNAL_DEFAULTS };
  }
}
