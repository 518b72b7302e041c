import { Module } from '@nestjs/common';
import { AuditLogController } from './events.controller.js';

/** Events and proofs, from the audit service. */
@Module({ controllers: [AuditLogController] })
export class AuditLogModule {}
