import { Module, type DynamicModule } from '@nestjs/common';
import { Health } from '@countersign/observability';
import { KeyedHash } from '@countersign/sealing';
import { type Clock } from '@countersign/service';
import { type VerificationClient } from '@countersign/verification-client';
import { AnswerCall } from './answer-call.js';
import { PublicUrl, SwaigSettings } from './config.js';
import { HealthController } from './health.controller.js';
import { CaptureController } from './capture.controller.js';
import { CapturePin } from './capture-pin.js';
import { type CaptureTokens } from './capture-token.js';
import { CollectPin } from './collect-pin.js';
import { type CallStates, type Facts } from './ports.js';
import { RequestLimits } from './request-limits.js';
import { RequestTransfer } from './request-transfer.js';
import { SwaigController } from './swaig.controller.js';
import { TellStatus } from './tell-status.js';
import { VerifyCaller } from './verify-caller.js';

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
    const limits = new RequestLimits(parts.client);
    const answerCall = new AnswerCall({
      ...{ verifyCaller, limits },
      tellStatus: new TellStatus(calls),
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
        { provide: RequestLimits, useValue: limits },
        { provide: CapturePin, useValue: new CapturePin(verifyCaller, limits) },
      ],
    };
  }
}
