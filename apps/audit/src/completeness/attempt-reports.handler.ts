import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { AttemptsReported } from '@countersign/contracts';
import { ReconcileAttempts } from './reconcile-attempts.use-case.js';

/** Compares the reports of the ledger with the log. */
@Controller()
export class AttemptReportsHandler {
  constructor(private readonly reconcileAttempts: ReconcileAttempts) {}

  @MessagePattern(AttemptsReported.type)
  async reconcile(@Payload() report: AttemptsReported): Promise<undefined> {
    await this.reconcileAttempts.reconcile(report);
    return undefined;
  }
}
