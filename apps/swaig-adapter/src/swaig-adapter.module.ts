import { Module, type DynamicModule } from '@nestjs/common';
import { Health } from '@countersign/observability';
import { KeyedHash, type Sealer } from '@countersign/sealing';
import { AnswerCall } from './answer-call.js';
import { PublicUrl, SwaigSettings } from './config.js';
import { HealthController } from './health.controller.js';
import { type Verifications } from './ports.js';
import { SwaigController } from './swaig.controller.js';
import { VerifyCaller } from './verify-caller.js';

/** What `start` made before the controllers exist. */
export interface SwaigParts {
  readonly settings: SwaigSettings;
  readonly publicUrl: PublicUrl;
  readonly sealer: Sealer;
  readonly hash: KeyedHash;
  readonly verifications: Verifications;
  readonly health: Health;
}

@Module({})
export class SwaigAdapterModule {
  static with(parts: SwaigParts): DynamicModule {
    const verifyCaller = new VerifyCaller(parts.sealer, parts.hash, parts.verifications);
    return {
      module: SwaigAdapterModule,
      controllers: [SwaigController, HealthController],
      providers: [
        { provide: SwaigSettings, useValue: parts.settings },
        { provide: PublicUrl, useValue: parts.publicUrl },
        { provide: KeyedHash, useValue: parts.hash },
        { provide: Health, useValue: parts.health },
        { provide: AnswerCall, useValue: new AnswerCall(verifyCaller) },
      ],
    };
  }
}
