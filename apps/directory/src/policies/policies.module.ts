import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/agents.module.js';
import { TenantsModule } from '../tenants/tenants.module.js';
import { ManagePolicies } from './manage-policies.use-case.js';
import { PoliciesHandler } from './policies.handler.js';

@Module({ imports: [TenantsModule, AgentsModule], controllers: [PoliciesHandler], providers: [ManagePolicies] })
export class PoliciesModule {}
