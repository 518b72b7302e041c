import { type Limit, type LimitDimension } from '@countersign/contracts';
import { EXACT_LIMIT, type LimitRule } from '../limits/rule.decision.js';

/** A limit that an administrator has set apart from the policy. */
export interface LimitOverride {
  readonly dimension: LimitDimension;
  /** Empty: for everybody in the dimension. */
  readonly target: string;
  /** Of a target that is a keyed hash: its name under each key that the adapter held. */
  readonly names: readonly { readonly keyId: string; readonly target: string }[];
  readonly limit: number;
  readonly periodSeconds: number;
  /** Keyed hash of the reason that was given. */
  readonly reasonKey: string;
}

/** What holds beside the policies, for one tenant. */
export interface TenantLimitSettings {
  readonly overrides: readonly (LimitOverride & { readonly endsAt: number })[];
  /** Until when the limits are halved; 0: they are not. */
  readonly tightenedUntil: number;
}

/** By tenant; times in milliseconds on one clock. */
export type LimitSettings = ReadonlyMap<string, TenantLimitSettings>;

/**
 * The rule for one target, by all of its names: an override for this one, else one for all in the dimension, else the policy's limit; halved
 * while the tenant is under attack, but never an override: somebody has thought about that one.
 */
export function ruleFor(
  policy: Limit,
  of: { readonly dimension: LimitDimension; readonly targets: readonly string[] },
  settings: TenantLimitSettings | undefined,
  now: number,
): { rule: LimitRule; shadow: boolean } {
  const fitting = (settings?.overrides ?? []).filter(
    ({ dimension, target, names, endsAt }) =>
      dimension === of.dimension && endsAt > now && (target === '' || isNamed(of.targets, target, names)),
  );
  const override = fitting.find(({ target }) => target !== '') ?? fitting[0];
  if (override) return { rule: { limit: override.limit, periodSeconds: override.periodSeconds }, shadow: false };
  const stricter = (settings?.tightenedUntil ?? 0) > now;
  return { rule: stricter ? halved(policy) : policy, shadow: policy.shadow ?? false };
}

/** Whether an override is about a target, by any of the names that both have. */
function isNamed(targets: readonly string[], target: string, names: LimitOverride['names']): boolean {
  return targets.includes(target) || names.some((name) => targets.includes(name.target));
}

function halved({ limit, periodSeconds, burst }: Limit): LimitRule {
  const half = Math.max(1, Math.floor(limit / 2));
  // What was a rate stays one: the exact log of its key would begin empty.
  const kept = limit > EXACT_LIMIT ? Math.max(half, EXACT_LIMIT + 1) : half;
  return { limit: kept, periodSeconds, burst: Math.max(1, Math.floor((burst ?? limit) / 2)) };
}
