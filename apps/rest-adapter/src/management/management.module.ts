import { Module } from '@nestjs/common';
import { AgentsController } from './agents.controller.js';
import { ApiKeysController } from './api-keys.controller.js';
import { LimitsController } from './limits.controller.js';
import { Manage } from './manage.js';
import { OverridesController } from './overrides.controller.js';
import { PoliciesController } from './policies.controller.js';
import { SubjectsController } from './subjects.controller.js';
import { TenantsController } from './tenants.controller.js';

@Module({
  controllers: [
    TenantsController,
    AgentsController,
    ApiKeysController,
    PoliciesController,
    LimitsController,
    OverridesController,
    SubjectsController,
  ],
  providers: [Manage],
})
export class ManagementModule {}
