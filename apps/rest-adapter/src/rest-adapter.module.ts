import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { HealthController, RequestHooks } from '@countersign/http';
import { Health, type Logger } from '@countersign/observability';
import { ProblemFilter } from './http/problems.js';
import { KeyedHash, ReceiptPublicKeys, PayloadSealer } from '@countersign/crypto';
import { VerificationClient } from '@countersign/verification-client';
import { CallsController } from './verifications/calls.controller.js';
import { LimitsController } from './management/limits.controller.js';
import { Manage } from './management/manage.js';
import { CommandBus, ReplyTimeout } from './rest-adapter.ports.js';
import { ReceiptsController } from './receipts/receipts.controller.js';
import { RestRequestLimits } from './http/request-limits.js';
import { RequestVerification } from './verifications/request-verification.use-case.js';
import { ServiceController } from './http/service.controller.js';
import { SubjectsController } from './management/subjects.controller.js';
import { UnlockController } from './management/unlock.controller.js';
import { TenantsController } from './management/tenants.controller.js';
import { VerificationsController } from './verifications/verifications.controller.js';

/** What stands behind the ports. */
export interface RestAdapterParts {
  readonly bus: CommandBus;
  readonly client: VerificationClient;
  readonly hash: KeyedHash;
  readonly sealer: PayloadSealer;
  readonly receiptKeys: ReceiptPublicKeys;
  readonly health: Health;
  readonly logger: Logger;
  readonly hooks: RequestHooks;
  readonly timeout: ReplyTimeout;
}

@Module({})
export class RestAdapterModule {
  static with(parts: RestAdapterParts): DynamicModule {
    return {
      module: RestAdapterModule,
      controllers: [
        TenantsController,
        LimitsController,
        SubjectsController,
        UnlockController,
        VerificationsController,
        CallsController,
        ReceiptsController,
        ServiceController,
        HealthController,
      ],
      providers: [
        Manage,
        RequestVerification,
        RestRequestLimits,
        { provide: CommandBus, useValue: parts.bus },
        { provide: VerificationClient, useValue: parts.client },
        { provide: KeyedHash, useValue: parts.hash },
        { provide: PayloadSealer, useValue: parts.sealer },
        { provide: RequestHooks, useValue: parts.hooks },
        { provide: APP_FILTER, useValue: new ProblemFilter(parts.logger) },
        { provide: Health, useValue: parts.health },
        { provide: ReplyTimeout, useValue: parts.timeout },
        { provide: ReceiptPublicKeys, useValue: parts.receiptKeys },
      ],
    };
  }
}
