import { type Quota, type RefusingLimit } from '@countersign/contracts';

/**
 * The limits that a client learns by name. `subject` counts what all clients ask about a subject, and `subjectsPerCaller` which
 * subjects a caller asks about: a refusal by either has no name, so the two look the same.
 */
export const SHOWN_LIMITS = ['caller', 'call', 'agent', 'tenant'] as const;
export type ShownLimit = (typeof SHOWN_LIMITS)[number];

/** The name of the limit that refused, if a client may learn it. */
export function shownLimit(refusedBy: RefusingLimit | undefined): ShownLimit | undefined {
  return SHOWN_LIMITS.find((name) => name === refusedBy?.dimension);
}

/**
 * RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10) of the client's own quotas. Without quotas there
 * are no headers: only the limiter knows the limit in force, because overrides and signals change that of the policy.
 */
export function quotaHeaders(quotas: readonly Quota[] = []): Record<string, string> {
  if (quotas.length === 0) return {};
  const policy = quotas.map((quota) => `"${quota.name}";q=${quota.limit};w=${quota.periodSeconds}`).join(', ');
  const remaining = quotas.map((quota) => `"${quota.name}";r=${quota.remaining};t=${quota.resetSeconds}`).join(', ');
  return { 'ratelimit-policy': policy, ratelimit: remaining };
}
