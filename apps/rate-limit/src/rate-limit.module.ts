import { Module, type DynamicModule } from '@nestjs/common';
import { AdmitRequest } from './admit-request.js';
import { LimitPolicies, LimitStore } from './ports.js';
import { RateLimitHandler } from './rate-limit.handler.js';

@Module({})
export class RateLimitModule {
  static with(parts: { store: LimitStore; policies: LimitPolicies }): DynamicModule {
    return {
      module: RateLimitModule,
      controllers: [RateLimitHandler],
      providers: [
        { provide: LimitStore, useValue: parts.store },
        { provide: LimitPolicies, useValue: parts.policies },
        {
          provide: AdmitRequest,
          useFactory: (...ports: ConstructorParameters<typeof AdmitRequest>) => new AdmitRequest(...ports),
          inject: [LimitStore, LimitPolicies],
        },
      ],
    };
  }
}
