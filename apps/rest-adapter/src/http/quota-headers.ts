import { type Quota } from '@countersign/contracts';

/**
 * RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10) of the asker's own quotas. No quotas, no fields:
 * only the limiter knows which limit is in force, for overrides and signals set it apart from the policy.
 */
export function quotaHeaders(quotas: readonly Quota[] = []): Record<string, string> {
  if (quotas.length === 0) return {};
  const policy = quotas.map((quota) => `"${quota.name}";q=${quota.limit};w=${quota.periodSeconds}`).join(', ');
  const left = quotas.map((quota) => `"${quota.name}";r=${quota.remaining};t=${quota.resetSeconds}`).join(', ');
  return { 'ratelimit-policy': policy, ratelimit: left };
}
