import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { type FatalHandler } from '@countersign/hosting';
import { METRICS, type Logger } from '@countersign/observability';
import { runEvery, ServiceError } from '@countersign/runtime';
import { LimitKeyring, LimitStore } from './limits/limits.ports.js';
import { ForeignKeys, RequiredKeys } from './limits/required-keys.js';
import { ManageLimits } from './overrides/manage-limits.use-case.js';
import { OverrideStore } from './overrides/overrides.ports.js';
import { RateLimitSettings } from './rate-limit.settings.js';
import { LimiterRefusalCache } from './refusals/refusal-cache.js';
import { RefusalReport } from './refusals/refusal-report.js';

export const LOGGER = Symbol('LOGGER');
export const FATAL_HANDLER = Symbol('FATAL_HANDLER');

/** How soon a change by another replica takes effect here, in milliseconds. */
const REFRESH_MS = 1_000;
const SERVICE = 'rate-limit';

/** What runs beside the requests: reading the changes of other replicas, purging, writing counted refusals, gauges. */
@Injectable()
export class Maintenance implements OnModuleInit, OnModuleDestroy {
  readonly #stops: (() => unknown)[] = [];

  constructor(
    private readonly settings: RateLimitSettings,
    private readonly manage: ManageLimits,
    private readonly limitStore: LimitStore,
    private readonly overrideStore: OverrideStore,
    private readonly keyring: LimitKeyring,
    private readonly requiredKeys: RequiredKeys,
    private readonly foreignKeys: ForeignKeys,
    private readonly refusalCache: LimiterRefusalCache,
    private readonly report: RefusalReport,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(FATAL_HANDLER) private readonly fatal: FatalHandler,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE */
  async onModuleInit(): Promise<void> {
    await this.#refreshRequiredKeys();
    await this.manage.refresh();
    const { PURGE_SECONDS, REPORT_SECONDS } = this.settings;
    this.#every(REFRESH_MS, 'changed limits could not be read', () => this.manage.refresh());
    this.#every(REFRESH_MS, 'the required keys could not be read', () => this.#refreshRequiredKeys());
    this.#every(PURGE_SECONDS * 1000, 'expired counters could not be removed', () => this.#purge());
    this.#every(REPORT_SECONDS * 1000, 'refusals could not be recorded', () => this.report.flush());
    this.#stops.push(
      METRICS.refusalCacheSize.read(() => [{ labels: { service: SERVICE }, value: this.refusalCache.size }]),
      METRICS.keysMismatched.read(() => [
        { labels: { service: SERVICE, setting: 'IDENTIFIER_KEY' }, value: this.foreignKeys.isSeen ? 1 : 0 },
      ]),
    );
  }

  /** Writes the refusals that were counted since the last flush. @throws ServiceError DATABASE_UNAVAILABLE */
  async onModuleDestroy(): Promise<void> {
    for (const stop of this.#stops) await stop();
    await this.report.flush();
  }

  #every(ms: number, fault: string, work: () => Promise<unknown>): void {
    this.#stops.push(runEvery(ms, work, (error) => this.logger.warn({ err: error }, `${fault}; will retry`)));
  }

  async #purge(): Promise<void> {
    await this.limitStore.purge();
    await this.overrideStore.purge();
  }

  async #refreshRequiredKeys(): Promise<void> {
    const missing = (await this.requiredKeys.refresh()).find((id) => !this.keyring.find(id));
    // Requests would not be counted under this key, and its counters would start at zero when the old key is removed.
    if (missing !== undefined) this.fatal(keyMissing(missing));
  }
}

function keyMissing(keyId: string): ServiceError {
  return new ServiceError(
    'SETTINGS_INVALID',
    `IDENTIFIER_KEY must hold the key ${keyId}: countersign keys rekey has made it the one that every service holds`,
    false,
  );
}
