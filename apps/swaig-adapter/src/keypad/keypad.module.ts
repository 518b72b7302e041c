import { Module } from '@nestjs/common';
import { CaptureController } from './capture.controller.js';
import { CapturePin } from './capture-pin.use-case.js';
import { CollectPin } from './collect-pin.use-case.js';
import { OpenCapture } from './open-capture.use-case.js';

/** Keypad entries: their start by a function, and `POST /swaig/capture/{token}`. */
@Module({
  controllers: [CaptureController],
  providers: [CapturePin, CollectPin, OpenCapture],
  exports: [CollectPin, OpenCapture],
})
export class KeypadModule {}
