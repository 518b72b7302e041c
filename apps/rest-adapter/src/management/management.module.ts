import { Module } from '@nestjs/common';
import { LimitsController } from './limits.controller.js';
import { Manage } from './manage.js';
import { SubjectsController } from './subjects.controller.js';
import { TenantsController } from './tenants.controller.js';

@Module({ controllers: [TenantsController, LimitsController, SubjectsController], providers: [Manage] })
export class ManagementModule {}
