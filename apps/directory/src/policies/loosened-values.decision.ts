import {
  type Limit,
  type LoosenableField,
  type Policy,
  type SignalPolicy,
  type Violation,
} from '@countersign/contracts';

/** A policy in which no field of the signals is absent. */
export type PolicyWithSignals = Policy & { readonly signals: Required<SignalPolicy> };

/** A value that protects callers or the installation. `false` is 0, and `true` is 1. */
interface ProtectingValue {
  readonly value: number;
  readonly stricter: 'smaller' | 'larger';
}

/**
 * The values of a policy that are looser than the inherited ones and looser than before. So a tenant can tighten in steps a
 * value that the administrator has loosened for it.
 *
 * `trustsCallsOf` and `functions` are not compared: they concern the agents of the tenant alone, and a policy above cannot
 * name them.
 * @param mayLoosen fields that tenants may loosen
 * @returns one violation for each of these values
 */
export function loosenedValues(
  policy: PolicyWithSignals,
  inherited: PolicyWithSignals,
  before: PolicyWithSignals,
  mayLoosen: readonly LoosenableField[],
): Violation[] {
  const [above, earlier] = [valuesOf(inherited), valuesOf(before)];
  return [...valuesOf(policy)]
    .filter(([field]) => !mayLoosen.some((loosenable) => field.startsWith(`${loosenable}.`)))
    .filter(([field, value]) => isLooser(value, above.get(field)) && isLooser(value, earlier.get(field)))
    .map(([field, { stricter }]) => ({
      field: `policy.${field}`,
      rule: `must not be ${stricter === 'smaller' ? 'above' : 'below'} the inherited value, which only the administrator may loosen`,
    }));
}

function isLooser({ value, stricter }: ProtectingValue, than: ProtectingValue | undefined): boolean {
  if (than === undefined) return true;
  return stricter === 'smaller' ? value > than.value : value < than.value;
}

/** By field. */
function valuesOf({
  attempts,
  limits,
  signals,
  knowledge,
  ...policy
}: PolicyWithSignals): Map<string, ProtectingValue> {
  const smaller: Record<string, number> = {
    'attempts.perWindow': attempts.perWindow,
    'signals.subjectsPerCaller': signals.subjectsPerCaller,
    'signals.callersPerSubject': signals.callersPerSubject,
    'signals.subjectsPerPin': signals.subjectsPerPin,
    verifiedSeconds: policy.verifiedSeconds,
    tellAttemptsLeft: Number(policy.tellAttemptsLeft),
    discloseUnknownCaller: Number(policy.discloseUnknownCaller),
    'knowledge.waiver': knowledge.waiver ? Date.parse(knowledge.waiver.expires) : 0,
  };
  const larger: Record<string, number> = {
    'attempts.windowSeconds': attempts.windowSeconds,
    'attempts.lockSeconds': attempts.lockSeconds,
    'attempts.maxLockSeconds': attempts.maxLockSeconds,
    'signals.stricter': Number(signals.stricter),
    endVerificationOnChange: Number(policy.endVerificationOnChange),
  };
  for (const [dimension, { limit, periodSeconds, burst = limit, shadow = false }] of Object.entries<Limit>({
    ...limits,
  })) {
    smaller[`limits.${dimension}.limit`] = limit;
    larger[`limits.${dimension}.periodSeconds`] = periodSeconds;
    smaller[`limits.${dimension}.burst`] = burst;
    smaller[`limits.${dimension}.shadow`] = Number(shadow);
  }
  return new Map<string, ProtectingValue>([
    ...Object.entries(smaller).map(([field, value]) => [field, { value, stricter: 'smaller' }] as const),
    ...Object.entries(larger).map(([field, value]) => [field, { value, stricter: 'larger' }] as const),
  ]);
}
