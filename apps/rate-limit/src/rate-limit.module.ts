import { Module, type DynamicModule } from '@nestjs/common';
import { AdmitRequest } from './admit-request.js';
import { ManageLimits } from './manage-limits.js';
import { RateLimitHandler } from './rate-limit.handler.js';

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
