import { Injectable } from '@nestjs/common';
import { type CommandAnswered, type TenantChangeRequested } from '@countersign/contracts';
import { ChangeDirectory } from '../change-directory.use-case.js';
import { type TenantRecord } from '../directory.ports.js';
import { changeDetail, changedNames, changePolicy } from '../policies/change-policy.decision.js';
import { PublishedEntries } from '../policies/published-entries.js';

/** Carries out the commands about tenants. */
@Injectable()
export class ManageTenants {
  constructor(
    private readonly directory: ChangeDirectory,
    private readonly entries: PublishedEntries,
  ) {}

  change(command: TenantChangeRequested): Promise<CommandAnswered> {
    return this.directory.change(command, ({ tenant: existing, agents }) => {
      if (!existing && command.mode === 'merge') return { answer: 'not_found' };
      const before = existing ?? { name: '', policy: {} };
      const policy = changePolicy(before.policy, command.policy, command.mode);
      const tenant: TenantRecord = { tenant: command.tenant, name: command.name ?? before.name, policy };
      const changed = changedNames(before, tenant);
      if (existing && changed.length === 0) return { answer: 'updated' };
      const published = this.entries.ofTenant(tenant);
      // The agents inherit the tenant's policy, so each of them changes too.
      const publish = [published, ...agents.map((agent) => this.entries.ofAgent(tenant, agent))];
      const fact = { kind: 'tenant.changed', detail: changeDetail(changed, published.policy) } as const;
      return { answer: existing ? 'updated' : 'created', change: { tenant, publish, fact } };
    });
  }
}
