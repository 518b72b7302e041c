import { Module } from '@nestjs/common';
import { AgentsController } from './agents/agents.controller.js';
import { ApiKeysController } from './api-keys/api-keys.controller.js';
import { LimitsController } from './limits/limits.controller.js';
import { Manage } from './manage.js';
import { OverridesController } from './limits/overrides.controller.js';
import { PoliciesController } from './policies/policies.controller.js';
import { SubjectSearchController } from './subjects/subject-search.controller.js';
import { SubjectsController } from './subjects/subjects.controller.js';
import { TenantsController } from './tenants/tenants.controller.js';

@Module({
  controllers: [
    TenantsController,
    AgentsController,
    ApiKeysController,
    PoliciesController,
    LimitsController,
    OverridesController,
    SubjectsController,
    SubjectSearchController,
  ],
  providers: [Manage],
})
export class ManagementModule {}
