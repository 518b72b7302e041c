import { type AttemptPolicy } from '@countersign/contracts';
import { type DirectoryCopy } from '@countersign/directory-copy';
import { AttemptPolicies, CallPolicies } from '../ports.js';

/** Policies from this service's copy of the directory. */
export class DirectoryPolicies extends AttemptPolicies {
  constructor(private readonly directory: DirectoryCopy) {
    super();
  }

  override of(tenant: string, agent: string): AttemptPolicy | undefined {
    const known = this.directory.agent(agent);
    return known?.tenant === tenant ? known.policy.attempts : undefined;
  }
}

/** The same, of calls. */
export class DirectoryCallPolicies extends CallPolicies {
  constructor(private readonly directory: DirectoryCopy) {
    super();
  }

  override verifiedSeconds(tenant: string, agent: string): number {
    const known = this.directory.agent(agent);
    return known?.tenant === tenant ? known.policy.verifiedSeconds : 0;
  }
}
