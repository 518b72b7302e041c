import { type Quota } from '@countersign/contracts';

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
