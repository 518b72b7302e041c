import { Module, type DynamicModule } from '@nestjs/common';
import { AdmitRequest } from './limits/admit-request.use-case.js';
import { ManageLimits } from './overrides/manage-limits.use-case.js';
import { RateLimitHandler } from './limits/limits.handler.js';

@Module({})
export class RateLimitModule {
  static with(parts: { admitRequest: AdmitRequest; manage: ManageLimits }): DynamicModule {
    return {
      module: RateLimitModule,
      controllers: [RateLimitHandler],
      providers: [
        { provide: AdmitRequest, useValue: parts.admitRequest },
        { provide: ManageLimits, useValue: parts.manage },
      ],
    };
  }
}
