import { SIGNAL_DEFAULTS, type LimitPolicy } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import { DirectoryCache } from '@countersign/directory-cache';
import { LimitPolicies, type PolicyLimits } from './limits.ports.js';

/** Limits from the directory cache of this service. */
@Injectable()
export class DirectoryLimits extends LimitPolicies {
  constructor(private readonly directory: DirectoryCache) {
    super();
  }

  override ofAgent(tenant: string, agent: string): PolicyLimits | undefined {
    const known = this.directory.agent(agent);
    if (known?.tenant !== tenant) return undefined;
    const { limits, signals } = known.policy;
    // All agents share the quota of their tenant, so no agent's policy may change it. The entry of an agent can arrive before
    // that of its tenant.
    const quota = this.directory.tenant(tenant)?.policy.limits.tenant ?? limits.tenant;
    return { limits: { ...limits, tenant: quota }, signals: { ...SIGNAL_DEFAULTS, ...signals } };
  }

  override ofTenant(tenant: string): LimitPolicy | undefined {
    return this.directory.tenant(tenant)?.policy.limits;
  }

  override mayLoosen(tenant: string): boolean {
    return this.directory.tenant(tenant)?.mayLoosen?.includes('limits') ?? false;
  }
}
