import { Module } from '@nestjs/common';
import { ManageTenants } from './manage-tenants.use-case.js';
import { TenantsHandler } from './tenants.handler.js';

@Module({ controllers: [TenantsHandler], providers: [ManageTenants], exports: [ManageTenants] })
export class TenantsModule {}
