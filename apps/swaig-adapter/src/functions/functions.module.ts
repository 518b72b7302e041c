import { Module } from '@nestjs/common';
import { KeypadModule } from '../keypad/keypad.module.js';
import { AnswerCall } from './answer-call.use-case.js';
import { ReportStatus } from './report-status.use-case.js';
import { RequestTransfer } from './request-transfer.use-case.js';
import { SwaigController } from './swaig.controller.js';
import { VerifyCaller } from './verify-caller.use-case.js';

/** `POST /swaig`. */
@Module({
  imports: [KeypadModule],
  controllers: [SwaigController],
  providers: [AnswerCall, VerifyCaller, ReportStatus, RequestTransfer],
})
export class FunctionsModule {}
