import { type PolicyLevel } from '@countersign/contracts';

/** A policy as written: any field may be missing. */
export type RawPolicy = Readonly<Record<string, unknown>>;

/**
 * Merges policies; later ones take precedence. Objects are merged by key, every other value is replaced. A plain list in
 * `unlocksFunctions` means the level `verified`.
 */
export function mergePolicies(...layers: readonly RawPolicy[]): RawPolicy {
  return layers.map(expandUnlocks).reduce((below, above) => merge(below, above) as RawPolicy, {});
}

/**
 * The merged policies with the level of each value in place of the value. Lists and `null` are values; an empty object has
 * none.
 */
export function sourcesOf(layers: readonly { readonly level: PolicyLevel; readonly policy: RawPolicy }[]): RawPolicy {
  const labelled = layers.map(({ level, policy }) => labelledWith(level, expandUnlocks(policy)));
  return labelled.reduce<RawPolicy>((below, above) => merge(below, above) as RawPolicy, {});
}

function labelledWith(level: PolicyLevel, value: unknown): unknown {
  if (!isObject(value)) return level;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, labelledWith(level, inner)]));
}

function merge(below: unknown, above: unknown): unknown {
  if (!isObject(below) || !isObject(above)) return above;
  const keys = new Set([...Object.keys(below), ...Object.keys(above)]);
  return Object.fromEntries([...keys].map((key) => [key, mergedField(key, below, above)]));
}

/** Reads own fields only, because every object inherits fields such as `toString`. */
function mergedField(key: string, below: RawPolicy, above: RawPolicy): unknown {
  if (!Object.hasOwn(above, key)) return below[key];
  return Object.hasOwn(below, key) ? merge(below[key], above[key]) : above[key];
}

function expandUnlocks(policy: RawPolicy): RawPolicy {
  const unlocks = policy['unlocksFunctions'];
  return Array.isArray(unlocks) ? { ...policy, unlocksFunctions: { verified: unlocks as unknown[] } } : policy;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
