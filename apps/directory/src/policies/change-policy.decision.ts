import { type ChangeMode, type Policy } from '@countersign/contracts';
import { type RawPolicy } from './effective-policy.decision.js';

/**
 * The written policy after a change.
 * @param sent undefined changes nothing; null clears the policy
 * @param mode `set` replaces each top-level field that is sent; `merge` applies a merge patch (RFC 7396), in which null
 * removes a field at any depth
 */
export function changePolicy(before: RawPolicy, sent: RawPolicy | null | undefined, mode: ChangeMode): RawPolicy {
  if (sent === undefined) return before;
  if (sent === null) return {};
  switch (mode) {
    case 'set':
      return { ...before, ...sent };
    case 'merge':
      return mergePatch(before, sent) as RawPolicy;
  }
}

/** RFC 7396, section 2. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

/** Sorted names of the fields that differ. The order of an object's keys does not matter. */
export function changedFields(before: RawPolicy, after: RawPolicy): string[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields].filter((field) => canonical(before[field]) !== canonical(after[field])).sort();
}

/** Name and policy as written, not merged with those above. */
interface NameAndPolicy {
  readonly name: string;
  readonly policy: RawPolicy;
}

/** Names of the fields that differ: `name`, `policy.<field>`. */
export function changedNames(before: NameAndPolicy, after: NameAndPolicy): string[] {
  const policy = changedFields(before.policy, after.policy).map((field) => `policy.${field}`);
  return before.name === after.name ? policy : ['name', ...policy];
}

/**
 * The detail of the fact about a change: the fields that changed. While a waiver allows knowledge alone to verify a caller,
 * every change also records its owner and its expiry.
 * @param policy undefined: no policy is in effect, because the agent is disabled
 */
export function changeDetail(changed: readonly string[], policy?: Policy): Readonly<Record<string, string>> {
  const fields = changed.join(' ');
  if (!policy?.knowledge.waiver) return { fields };
  const { owner, expires } = policy.knowledge.waiver;
  return { fields, knowledgeWaiverOwner: owner, knowledgeWaiverExpires: expires };
}

function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
