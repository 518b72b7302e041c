import { type Limit } from '@countersign/contracts';
import { type DirectoryCopy } from '@countersign/directory-copy';
import { LimitPolicies } from '../ports.js';

/** Limits from this service's copy of the directory. */
export class DirectoryLimits extends LimitPolicies {
  constructor(private readonly directory: DirectoryCopy) {
    super();
  }

  override callerLimit(tenant: string, agent: string): Limit | undefined {
    const known = this.directory.agent(agent);
    return known?.tenant === tenant ? known.policy.limits.caller : undefined;
  }
}
