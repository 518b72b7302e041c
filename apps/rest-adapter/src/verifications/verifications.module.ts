import { Module } from '@nestjs/common';
import { RequestVerification } from './request-verification.use-case.js';
import { VerificationsController } from './verifications.controller.js';

@Module({ controllers: [VerificationsController], providers: [RequestVerification] })
export class VerificationsModule {}
