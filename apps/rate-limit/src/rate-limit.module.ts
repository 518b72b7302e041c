import { Module, type DynamicModule } from '@nestjs/common';
import {
  LimitOverrideDeleteRequested,
  LimitOverrideListRequested,
  LimitOverrideReadRequested,
  LimitOverrideRequested,
  LimitRefundRequested,
  LimitRequested,
  LimitResetRequested,
  LimitStateRequested,
  LimitTightenRequested,
  RefusalsCounted,
  VerificationRequested,
} from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { DirectoryCache } from '@countersign/directory-cache';
import { type FatalHandler } from '@countersign/hosting';
import { type Logger } from '@countersign/observability';
import { Database, OutboxRelay } from '@countersign/persistence';
import { Clock, SteadyClock } from '@countersign/runtime';
import { AbuseSignalsModule } from './abuse-signals/abuse-signals.module.js';
import { AdmissionModule } from './admission/admission.module.js';
import { FATAL_HANDLER, LOGGER, Maintenance } from './maintenance.js';
import { LimitsModule } from './limits/limits.module.js';
import { OverridesModule } from './overrides/overrides.module.js';
import { RateLimitSettings } from './rate-limit.settings.js';
import { RefusalsModule } from './refusals/refusals.module.js';

/** What start.ts opens. */
export interface RateLimitResources {
  readonly settings: RateLimitSettings;
  readonly database: Database;
  readonly relay: OutboxRelay;
  readonly directory: DirectoryCache;
  /** Of IDENTIFIER_KEY. */
  readonly hash: KeyedHash;
  readonly logger: Logger;
  readonly fatal: FatalHandler;
}

/** What the handlers of the features receive. */
export const RATE_LIMIT_MESSAGES = [
  ...[VerificationRequested, LimitRequested, RefusalsCounted],
  ...[LimitOverrideRequested, LimitOverrideReadRequested, LimitOverrideListRequested, LimitOverrideDeleteRequested],
  ...[LimitResetRequested, LimitStateRequested, LimitRefundRequested, LimitTightenRequested],
];

const FEATURES = [LimitsModule, RefusalsModule, OverridesModule, AbuseSignalsModule, AdmissionModule];

/** Composes the features. The resources are global. */
@Module({ imports: FEATURES, providers: [Maintenance] })
export class RateLimitModule {
  static with({ settings, database, relay, directory, hash, logger, fatal }: RateLimitResources): DynamicModule {
    const resources = [
      { provide: RateLimitSettings, useValue: settings },
      { provide: Database, useValue: database },
      { provide: OutboxRelay, useValue: relay },
      { provide: DirectoryCache, useValue: directory },
      { provide: KeyedHash, useValue: hash },
      { provide: LOGGER, useValue: logger },
      { provide: FATAL_HANDLER, useValue: fatal },
      { provide: Clock, useClass: SteadyClock },
    ];
    return { module: RateLimitModule, global: true, providers: resources, exports: resources };
  }
}
