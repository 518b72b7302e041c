import { Injectable } from '@nestjs/common';
import {
  CommandAnswered,
  LIMIT_DIMENSIONS,
  limitCountersOfTarget,
  message,
  type Limit,
  type LimitDimension,
  type LimitOverrideRequested,
  type LimitRefundRequested,
  type LimitResetRequested,
  type LimitStateRequested,
  type LimitTightenRequested,
  untimedFact,
} from '@countersign/contracts';
import { Clock, ServiceError } from '@countersign/runtime';
import { ruleFor } from './limit-rules.decision.js';
import { LimiterRefusalCache } from '../refusals/refusal-cache.js';
import { LimitKeyring, LimitPolicies, LimitStore } from '../limits/limits.ports.js';
import { LimitRequests } from '../limits/limit-requests.js';
import { OverrideStore, type OverridesVersion } from './overrides.ports.js';

type Command = LimitOverrideRequested | LimitResetRequested | LimitStateRequested;

/** Overrides, resets, refunds and tightened limits; also reads the changes that other replicas made. */
@Injectable()
export class ManageLimits {
  #version: OverridesVersion = { changes: '', resets: '' };
  readonly #tightening = new Map<string, Promise<void>>();

  constructor(
    private readonly settings: OverrideStore,
    private readonly store: LimitStore,
    private readonly policies: LimitPolicies,
    private readonly keyring: LimitKeyring,
    private readonly limitRequests: LimitRequests,
    private readonly refusalCache: LimiterRefusalCache,
    private readonly clock: Clock,
  ) {}

  /** Reads the changes of other replicas. @throws ServiceError DATABASE_UNAVAILABLE */
  async refresh(): Promise<void> {
    const version = await this.settings.version();
    if (version.changes === this.#version.changes) return;
    const now = this.clock.now();
    const read = await this.settings.read();
    this.limitRequests.settings = new Map(
      [...read].map(([tenant, { overrides, tightenedUntil }]) => [
        tenant,
        {
          overrides: overrides.map((override) => ({ ...override, endsAt: now + override.endsAt })),
          tightenedUntil: now + tightenedUntil,
        },
      ]),
    );
    // A changed rule is found by comparison with the cached one. Only a reset clears the cache: clearing it at a signal
    // would send the flood that caused the signal to the database.
    if (version.resets !== this.#version.resets) this.refusalCache.clear();
    this.#version = version;
  }

  override(command: LimitOverrideRequested): Promise<CommandAnswered> {
    const { of, limit, reason, expiresAt, tenant, actor } = command;
    return this.#answer(command, async (policy) => {
      const { dimension, target = '', names } = of;
      const { limit: most, periodSeconds } = limit;
      if (actor.kind !== 'administrator' && isLooser(limit, policy[dimension])) {
        return invalid(
          command,
          'limit',
          'must not be looser than the policy: only the administrator may loosen a limit',
        );
      }
      const override = { dimension, target, names, limit: most, periodSeconds, reason, expiresAt };
      const detail = {
        dimension,
        ...(target === '' ? {} : { target }),
        limit: most,
        periodSeconds,
        reason,
        expiresAt,
      };
      const set = await this.settings.override(
        tenant,
        override,
        untimedFact('limit.overridden', { tenant, actor, detail }),
      );
      if (!set) return invalid(command, 'expiresAt', 'must be a time to come');
      await this.refresh();
      return found(command, 'created', { dimension, limit: most, periodSeconds, reason, expiresAt });
    });
  }

  reset(command: LimitResetRequested): Promise<CommandAnswered> {
    const { of, reason, tenant, actor } = command;
    return this.#answer(command, async () => {
      const { dimension, target, names } = of;
      // Otherwise the keys of a tenant could use more than the quota that protects the other tenants.
      if (actor.kind !== 'administrator' && dimension === 'tenant') {
        return invalid(
          command,
          'dimension',
          'must not be tenant: only the administrator may reset the quota of a tenant',
        );
      }
      const targets = names.length === 0 ? [target] : names.map((name) => name.target);
      const counters = targets.flatMap((name) => limitCountersOfTarget(dimension, tenant, name));
      const keys = counters.flatMap((counter) =>
        this.keyring.each.map(({ keys: under }) => under.key(tenant, counter)),
      );
      const detail = { dimension, target: target ?? tenant, reason };
      await this.settings.reset(dimension, keys, untimedFact('limit.reset', { tenant, actor, detail }));
      await this.refresh();
      return found(command, 'updated', {});
    });
  }

  state(command: LimitStateRequested): Promise<CommandAnswered> {
    const { tenant } = command;
    return this.#answer(command, async (policy) => {
      const settings = this.limitRequests.settings.get(tenant);
      const now = this.clock.now();
      const ruleOf = (dimension: LimitDimension, target = ''): ReturnType<typeof ruleFor> =>
        ruleFor(policy[dimension], { dimension, targets: [target] }, settings, now);
      const own = ruleOf('tenant', tenant).rule;
      const quota = { dimension: 'tenant', channel: 'any', kind: 'tenant', value: tenant } as const;
      const [used] = await this.store.remaining([{ key: this.keyring.first.key(tenant, quota), rule: own }]);
      const limits = Object.fromEntries(
        LIMIT_DIMENSIONS.map((dimension) => {
          const { rule, shadow } = dimension === 'tenant' ? ruleOf(dimension, tenant) : ruleOf(dimension);
          return [dimension, { ...rule, shadow }];
        }),
      );
      const seconds = (until: number): number => Math.max(0, Math.ceil((until - now) / 1000));
      return found(command, 'found', {
        limits,
        tenant: { left: used?.remaining ?? 0, resetSeconds: Math.ceil((used?.resetMs ?? 0) / 1000) },
        stricterSeconds: seconds(settings?.tightenedUntil ?? 0),
        overrides: (settings?.overrides ?? [])
          .filter(({ endsAt }) => endsAt > now)
          .map(({ endsAt, names: _, ...override }) => ({ ...override, endsInSeconds: seconds(endsAt) })),
      });
    });
  }

  /** Refunds what an attempt used that was never compared because of a fault of the product. */
  async refund(request: LimitRefundRequested): Promise<void> {
    for (const limitRequest of this.limitRequests.of(request)?.limitRequests ?? []) {
      if (await this.store.refund(limitRequest)) this.refusalCache.refunded(limitRequest);
    }
  }

  /**
   * Halves the limits of a tenant for a time. Does nothing if they are already halved for at least half of that time, so an
   * attacker who causes signals with many keys causes one change and not one per key.
   */
  async tighten({ tenant, seconds }: Pick<LimitTightenRequested, 'tenant' | 'seconds'>): Promise<void> {
    const until = this.limitRequests.settings.get(tenant)?.tightenedUntil ?? 0;
    if (until >= this.clock.now() + seconds * 500) return;
    const name = `${tenant} ${seconds}`;
    const inProgress = this.#tightening.get(name) ?? this.#tighten(tenant, seconds);
    this.#tightening.set(name, inProgress);
    await inProgress.finally(() => this.#tightening.delete(name));
  }

  async #tighten(tenant: string, seconds: number): Promise<void> {
    await this.settings.tighten(tenant, seconds, untimedFact('limit.tightened', { tenant, detail: { seconds } }));
    await this.refresh();
  }

  async #answer(
    command: Command,
    work: (policy: NonNullable<ReturnType<LimitPolicies['ofTenant']>>) => Promise<CommandAnswered>,
  ): Promise<CommandAnswered> {
    const policy = this.policies.ofTenant(command.tenant);
    if (policy === undefined) return found(command, 'not_found', {});
    try {
      return await work(policy);
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === 'DATABASE_UNAVAILABLE')) throw error;
      return found(command, 'unavailable', {});
    }
  }
}

function found(command: Command, answer: CommandAnswered['answer'], body: Record<string, unknown>): CommandAnswered {
  return message(CommandAnswered, { commandId: command.commandId, answer, body });
}

function invalid({ commandId }: Command, field: string, rule: string): CommandAnswered {
  return message(CommandAnswered, { commandId, answer: 'invalid', violations: [{ field, rule }] });
}

/** Whether an override admits more than the policy in some period. A limit in shadow mode refuses nothing. */
function isLooser(override: Limit, policy: Limit): boolean {
  if (policy.shadow === true) return false;
  return override.limit > policy.limit || override.periodSeconds < policy.periodSeconds;
}
