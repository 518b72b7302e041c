import { Injectable } from '@nestjs/common';
import { CommandAnswered, message, type PolicyChangeRequested, type PolicyRequested } from '@countersign/contracts';
import { ManageAgents } from '../agents/manage-agents.use-case.js';
import { ChangeDirectory, type View } from '../change-directory.use-case.js';
import { ManageTenants } from '../tenants/manage-tenants.use-case.js';
import { PublishedEntries } from './published-entries.js';

/** Carries out the commands about the policies of tenants and agents. The answer is the effective policy. */
@Injectable()
export class ManagePolicies {
  readonly #view: View;

  constructor(
    private readonly directory: ChangeDirectory,
    private readonly tenants: ManageTenants,
    private readonly agents: ManageAgents,
    entries: PublishedEntries,
  ) {
    this.#view = (tenant, agent) => entries.policyResource(tenant, agent);
  }

  change(command: PolicyChangeRequested): Promise<CommandAnswered> {
    const { agent } = command;
    if (agent === undefined) return this.tenants.change(command, this.#view);
    return this.agents.change({ ...command, agent }, this.#view);
  }

  async read(command: PolicyRequested): Promise<CommandAnswered> {
    const { commandId } = command;
    const body = await this.directory.read(command, this.#view);
    return message(CommandAnswered, { commandId, ...(body ? { answer: 'found', body } : { answer: 'not_found' }) });
  }
}
