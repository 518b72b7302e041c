import { type AgentPublished, type Quota } from '@countersign/contracts';

/**
 * RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10) of the asker's own quotas. Without what is left
 * of them, because nothing was asked of the limiter, only the policy is told.
 */
export function quotaHeaders(agent: AgentPublished, quotas: readonly Quota[] = []): Record<string, string> {
  const { limit, periodSeconds } = agent.policy.limits.agent;
  const policies = quotas.length > 0 ? quotas : [{ name: 'agent', limit, periodSeconds }];
  const policy = policies.map((quota) => `"${quota.name}";q=${quota.limit};w=${quota.periodSeconds}`).join(', ');
  const left = quotas.map((quota) => `"${quota.name}";r=${quota.left};t=${quota.resetSeconds}`).join(', ');
  return { 'ratelimit-policy': policy, ...(left === '' ? {} : { ratelimit: left }) };
}
