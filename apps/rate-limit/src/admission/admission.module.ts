import { Module } from '@nestjs/common';
import { METRICS } from '@countersign/observability';
import { AbuseSignalsModule } from '../abuse-signals/abuse-signals.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { RefusalsModule } from '../refusals/refusals.module.js';
import { AdmissionHandler } from './admission.handler.js';
import { AdmitRequest, ObserveDecision } from './admit-request.use-case.js';

/** Counts decisions for the metric `countersign_limit_decisions_total`. */
const observe: ObserveDecision = {
  count: (outcome, dimension, source) => METRICS.limitDecisions.inc({ outcome, dimension, source }),
};

@Module({
  imports: [LimitsModule, RefusalsModule, AbuseSignalsModule],
  controllers: [AdmissionHandler],
  providers: [{ provide: ObserveDecision, useValue: observe }, AdmitRequest],
})
export class AdmissionModule {}
