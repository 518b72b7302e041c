import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { HealthController, RequestHooks } from '@countersign/http';
import { Health, type Logger } from '@countersign/observability';
import { KeyedHash } from '@countersign/crypto';
import { type Clock } from '@countersign/runtime';
import { type VerificationClient } from '@countersign/verification-client';
import { AnswerCall } from './functions/answer-call.use-case.js';
import { PublicUrl } from './http/public-url.js';
import { SwaigSettings } from './swaig-adapter.settings.js';
import { SwaigExceptionFilter } from './http/swaig-exception.filter.js';
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
  readonly hash: KeyedHash;
  readonly client: VerificationClient;
  readonly callStates: CallStates;
  readonly facts: Facts;
  readonly captureTokens: CaptureTokens;
  readonly clock: Clock;
  readonly health: Health;
  readonly logger: Logger;
  readonly hooks: RequestHooks;
}

@Module({})
export class SwaigAdapterModule {
  static with(dependencies: SwaigDependencies): DynamicModule {
    const { hash, callStates, client, facts, captureTokens, clock } = dependencies;
    const verifyCaller = new VerifyCaller(client);
    const limits = new SwaigRequestLimits(client);
    const answerCall = (publicUrl: PublicUrl): AnswerCall =>
      new AnswerCall({
        verifyCaller,
        limits,
        reportStatus: new ReportStatus(callStates),
        requestTransfer: new RequestTransfer(facts, hash, clock),
        collectPin: new CollectPin(captureTokens, clock, publicUrl),
      });
    return {
      module: SwaigAdapterModule,
      controllers: [SwaigController, CaptureController, HealthController],
      providers: [
        { provide: SwaigSettings, useValue: dependencies.settings },
        PublicUrl,
        { provide: KeyedHash, useValue: dependencies.hash },
        { provide: Health, useValue: dependencies.health },
        { provide: RequestHooks, useValue: dependencies.hooks },
        { provide: APP_FILTER, useValue: new SwaigExceptionFilter(dependencies.logger) },
        { provide: AnswerCall, inject: [PublicUrl], useFactory: answerCall },
        { provide: SwaigRequestLimits, useValue: limits },
        { provide: CapturePin, useValue: new CapturePin(client, limits) },
      ],
    };
  }
}
