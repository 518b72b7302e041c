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

/** What `start` made before the controllers exist. */
export interface SwaigParts {
  readonly settings: SwaigSettings;
  readonly publicUrl: PublicUrl;
  readonly hash: KeyedHash;
  readonly client: VerificationClient;
  readonly calls: CallStates;
  readonly facts: Facts;
  readonly tokens: CaptureTokens;
  readonly clock: Clock;
  readonly health: Health;
}

@Module({})
export class SwaigAdapterModule {
  static with(parts: SwaigParts): DynamicModule {
    const { hash, calls, facts, tokens, clock, publicUrl } = parts;
    const verifyCaller = new VerifyCaller(hash, parts.client);
    const limits = new SwaigRequestLimits(parts.client);
    const answerCall = new AnswerCall({
      ...{ verifyCaller, limits },
      tellStatus: new ReportStatus(calls),
      requestTransfer: new RequestTransfer(facts, hash, clock),
      collectPin: new CollectPin(tokens, clock, publicUrl.get),
    });
    return {
      module: SwaigAdapterModule,
      controllers: [SwaigController, CaptureController, HealthController],
      providers: [
        { provide: SwaigSettings, useValue: parts.settings },
        { provide: PublicUrl, useValue: parts.publicUrl },
        { provide: KeyedHash, useValue: parts.hash },
        { provide: Health, useValue: parts.health },
        { provide: AnswerCall, useValue: answerCall },
        { provide: SwaigRequestLimits, useValue: limits },
        { provide: CapturePin, useValue: new CapturePin(verifyCaller, limits) },
      ],
    };
  }
}
