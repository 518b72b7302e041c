import { Module, type DynamicModule } from '@nestjs/common';
import { Health } from '@countersign/observability';
import { KeyedHash, ReceiptPublicKeys, Sealer } from '@countersign/sealing';
import { VerificationClient } from '@countersign/verification-client';
import { CallsController } from './calls.controller.js';
import { LimitsController } from './limits.controller.js';
import { Manage } from './manage.js';
import { CommandBus, ReplyTimeout } from './ports.js';
import { ReceiptsController } from './receipts.controller.js';
import { RequestLimits } from './request-limits.js';
import { RequestVerification } from './request-verification.js';
import { ServiceController } from './service.controller.js';
import { SubjectsController } from './subjects.controller.js';
import { UnlockController } from './unlock.controller.js';
import { TenantsController } from './tenants.controller.js';
import { VerificationsController } from './verifications.controller.js';

/** What stands behind the ports. */
export interface RestAdapterParts {
  readonly bus: CommandBus;
  readonly client: VerificationClient;
  readonly hash: KeyedHash;
  readonly sealer: Sealer;
  readonly receiptKeys: ReceiptPublicKeys;
  readonly health: Health;
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
      ],
      providers: [
        Manage,
        RequestVerification,
        RequestLimits,
        { provide: CommandBus, useValue: parts.bus },
        { provide: VerificationClient, useValue: parts.client },
        { provide: KeyedHash, useValue: parts.hash },
        { provide: Sealer, useValue: parts.sealer },
        { provide: Health, useValue: parts.health },
        { provide: ReplyTimeout, useValue: parts.timeout },
        { provide: ReceiptPublicKeys, useValue: parts.receiptKeys },
      ],
    };
  }
}
