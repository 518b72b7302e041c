import { SIGNAL_DEFAULTS, type LimitPolicy } from '@countersign/contracts';
import { type DirectoryCache } from '@countersign/directory-cache';
import { LimitPolicies, type PolicyLimits } from './limits.ports.js';

/** Limits from this service's copy of the directory. */
export class DirectoryLimits extends LimitPolicies {
  constructor(private readonly directory: DirectoryCache) {
    super();
  }

  override ofAgent(tenant: string, agent: string): PolicyLimits | undefined {
    const known = this.directory.agent(agent);
    if (known?.tenant !== tenant) return undefined;
    const { limits, signals } = known.policy;
    // The tenant's quota is one for all its agents: no agent's policy changes it. An agent can be heard of before its tenant.
    const quota = this.directory.tenant(tenant)?.policy.limits.tenant ?? limits.tenant;
    return { limits: { ...limits, tenant: quota }, signals: { ...SIGNAL_DEFAULTS, ...signals } };
  }

  override ofTenant(tenant: string): LimitPolicy | undefined {
    return this.directory.tenant(tenant)?.policy.limits;
  }
}
