import { Module, type DynamicModule } from '@nestjs/common';
import { Health } from '@countersign/observability';
import { KeyedHash } from '@countersign/crypto';
import { type Clock } from '@countersign/runtime';
import { type VerificationClient } from '@countersign/verification-client';
import { AnswerCall } from './functions/answer-call.use-case.js';
import { PublicUrl, SwaigSettings } from './swaig-adapter.settings.js';
import { HealthController } from './http/health.controller.js';
import { CaptureController } from './keypad/capture.controller.js';
import { CapturePin } from './keypad/capture-pin.use-case.js';
import { type CaptureTokens } from './keypad/capture-token.js';
import { CollectPin } from './keypad/collect-pin.use-case.js';
import { type CallStates, type Facts } from './swaig-adapter.ports.js';
import { SwaigRequestLimits } from './http/request-limits.js';
import { RequestTransfer } from './functions/request-transfer.use-case.js';
import { SwaigController } from './functions/swaig.controller.js';
import { ReportStatus } from './functions/report-status.use-case.js';
import { VerifyCaller } from './functions/verify-caller.use-case.js';

/** The dependencies that `start` creates for the controllers and use cases. */
export interface SwaigDependencies {
  readonly settings: SwaigSettings;
  readonly publicUrl: PublicUrl;
  readonly hash: KeyedHash;
  readonly client: VerificationClient;
  readonly callStates: CallStates;
  readonly facts: Facts;
  readonly captureTokens: CaptureTokens;
  readonly clock: Clock;
  readonly health: Health;
}

@Module({})
export class SwaigAdapterModule {
  static with(dependencies: SwaigDependencies): DynamicModule {
    const { hash, callStates, client, facts, captureTokens, clock, publicUrl } = dependencies;
    const verifyCaller = new VerifyCaller(hash, client);
    const limits = new SwaigRequestLimits(client);
    const answerCall = new AnswerCall({
      verifyCaller,
      limits,
      reportStatus: new ReportStatus(callStates),
      requestTransfer: new RequestTransfer(facts, hash, clock),
      collectPin: new CollectPin(captureTokens, clock, publicUrl.get),
    });
    return {
      module: SwaigAdapterModule,
      controllers: [SwaigController, CaptureController, HealthController],
      providers: [
        { provide: SwaigSettings, useValue: dependencies.settings },
        { provide: PublicUrl, useValue: dependencies.publicUrl },
        { provide: KeyedHash, useValue: dependencies.hash },
        { provide: Health, useValue: dependencies.health },
        { provide: AnswerCall, useValue: answerCall },
        { provide: SwaigRequestLimits, useValue: limits },
        { provide: CapturePin, useValue: new CapturePin(verifyCaller, limits) },
      ],
    };
  }
}
