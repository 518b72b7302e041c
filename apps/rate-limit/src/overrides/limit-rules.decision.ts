import { type Actor, type Limit, type LimitDimension } from '@countersign/contracts';
import { EXACT_LIMIT, type LimitRule } from '../limits/rule.decision.js';

/** A limit that an administrator set in place of the policy's. */
export interface LimitOverride {
  readonly dimension: LimitDimension;
  /** Empty: every target of the dimension. */
  readonly target: string;
  /** For a target that is a keyed hash: its name under each key that the adapter had. */
  readonly names: readonly { readonly keyId: string; readonly target: string }[];
  readonly limit: number;
  readonly periodSeconds: number;
  /** Decides and reports, and refuses nothing. Absent: false. */
  readonly shadow?: boolean;
  /** As it was given. */
  readonly reason: string;
}

/** An override as stored. */
export interface StoredOverride extends LimitOverride {
  readonly id: string;
  readonly shadow: boolean;
  /** Null: set by a version that did not record it. */
  readonly actor: Actor | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** An override as the API shows it. A telephone number is shown as its keyed hash. */
export function overrideResource(override: StoredOverride): Readonly<Record<string, unknown>> {
  const { id, dimension, limit, periodSeconds, shadow, reason, actor, createdAt, expiresAt } = override;
  return {
    ...{ id, dimension, ...targetFields(override), limit, periodSeconds, shadow, reason },
    ...(actor && { actor }),
    ...{ createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() },
  };
}

function targetFields({ dimension, target }: LimitOverride): Readonly<Record<string, string>> {
  if (target === '') return {};
  switch (dimension) {
    case 'caller':
    case 'subjectsPerCaller':
      return { phoneKey: target };
    case 'subject': {
      const value = target.slice(target.indexOf(':') + 1);
      return target.startsWith('phone:') ? { phoneKey: value } : { subject: value };
    }
    case 'call':
      return { callId: target };
    case 'agent':
      return { agent: target };
    case 'tenant':
      return {};
  }
}

/**
 * Whether an override admits more than another limit in some period, or more at once: an override has no burst of its own. A
 * limit in shadow mode refuses nothing.
 */
export function isLooser(override: Pick<LimitOverride, 'limit' | 'periodSeconds' | 'shadow'>, than: Limit): boolean {
  if (than.shadow === true) return false;
  const { limit, periodSeconds, shadow = false } = override;
  const mostAtOnce = than.limit > EXACT_LIMIT ? Math.min(than.limit, than.burst ?? than.limit) : than.limit;
  return shadow || limit > mostAtOnce || periodSeconds < than.periodSeconds;
}

/** What overrides the policies of one tenant. */
export interface TenantLimitSettings {
  readonly overrides: readonly (LimitOverride &
    Pick<StoredOverride, 'actor'> & {
      readonly setAt: number;
      readonly endsAt: number;
    })[];
  /** Time until which the limits are halved; 0: they are not. */
  readonly tightenedUntil: number;
}

/** By tenant; times in milliseconds on one clock. */
export type LimitSettings = ReadonlyMap<string, TenantLimitSettings>;

/**
 * The rule for one target, looked up by all of its names: an override for the target, else an override for the dimension,
 * else the limit of the policy. While the limits are tightened, the policy's limit is halved, and an override by a key of the
 * tenant. An override by the administrator is not, because it was chosen deliberately.
 */
export function ruleFor(
  policy: Limit,
  of: { readonly dimension: LimitDimension; readonly targets: readonly string[] },
  settings: TenantLimitSettings | undefined,
  now: number,
): { rule: LimitRule; shadow: boolean } {
  const applicable = (settings?.overrides ?? []).filter(
    ({ dimension, target, names, endsAt }) =>
      dimension === of.dimension && endsAt > now && (target === '' || isNamed(of.targets, target, names)),
  );
  const ofDimension = applicable.find(({ target }) => target === '');
  const ofTarget = applicable.find(({ target }) => target !== '');
  // A key can have set an override for one target before the administrator tightened the whole dimension.
  const isExceeded =
    ofTarget && ofDimension && isOfKey(ofTarget) && !isOfKey(ofDimension) && isLooser(ofTarget, ofDimension);
  const override = isExceeded === true ? ofDimension : (ofTarget ?? ofDimension);
  const isTightened = (settings?.tightenedUntil ?? 0) > now;
  if (override) {
    const { limit, periodSeconds, shadow = false } = override;
    const rule = { limit, periodSeconds };
    return { rule: isTightened && isOfKey(override) ? halved(rule) : rule, shadow };
  }
  return { rule: isTightened ? halved(policy) : policy, shadow: policy.shadow ?? false };
}

function isOfKey({ actor }: Pick<StoredOverride, 'actor'>): boolean {
  return actor?.kind === 'key';
}

/** Whether an override applies to a target, by any of their names. */
function isNamed(targets: readonly string[], target: string, names: LimitOverride['names']): boolean {
  return targets.includes(target) || names.some((name) => targets.includes(name.target));
}

function halved({ limit, periodSeconds, burst }: Limit): LimitRule {
  const half = Math.max(1, Math.floor(limit / 2));
  // A limit above EXACT_LIMIT stays above it. Below, its key would start with an empty log and admit too much.
  const kept = limit > EXACT_LIMIT ? Math.max(half, EXACT_LIMIT + 1) : half;
  return { limit: kept, periodSeconds, burst: Math.max(1, Math.floor((burst ?? limit) / 2)) };
}
