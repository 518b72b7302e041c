import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { LIMIT_DIMENSIONS } from '@countersign/contracts';
import { METRICS } from '@countersign/observability';
import { Clock } from '@countersign/runtime';
import { LimitRequests } from '../limits/limit-requests.js';
import { type TenantLimitSettings } from './limit-rules.decision.js';

/** Shows the overrides and tightened limits that this copy decides with as metrics. */
@Injectable()
export class OverrideGauges implements OnModuleInit, OnModuleDestroy {
  #hiders: (() => void)[] = [];

  constructor(
    private readonly limitRequests: LimitRequests,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.#hiders = [
      METRICS.tightenedTenants.read(() => [{ labels: {}, value: this.#tightenedTenants() }]),
      METRICS.overrides.read(() =>
        LIMIT_DIMENSIONS.flatMap((dimension) => {
          const reasons = this.#inForce(dimension).map(({ reason }) => reason.trim() !== '');
          const given = reasons.filter(Boolean).length;
          return [
            { labels: { dimension, reason: 'given' }, value: given },
            { labels: { dimension, reason: 'missing' }, value: reasons.length - given },
          ];
        }),
      ),
      METRICS.oldestOverride.read(() =>
        LIMIT_DIMENSIONS.map((dimension) => {
          const now = this.clock.now();
          const oldest = this.#inForce(dimension).reduce((earliest, { setAt }) => Math.min(earliest, setAt), now);
          return { labels: { dimension }, value: (now - oldest) / 1000 };
        }),
      ),
    ];
  }

  onModuleDestroy(): void {
    for (const hide of this.#hiders) hide();
  }

  #tightenedTenants(): number {
    const now = this.clock.now();
    return [...this.limitRequests.settings.values()].filter(({ tightenedUntil }) => tightenedUntil > now).length;
  }

  #inForce(of: string): TenantLimitSettings['overrides'] {
    const now = this.clock.now();
    return [...this.limitRequests.settings.values()]
      .flatMap(({ overrides }) => overrides)
      .filter(({ dimension, endsAt }) => dimension === of && endsAt > now);
  }
}
