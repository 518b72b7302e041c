import { Injectable } from '@nestjs/common';
import {
  CommandAnswered,
  isOfInstallation,
  LIMIT_DIMENSIONS,
  limitCountersOfTarget,
  MAX_OVERRIDES,
  message,
  type LimitDimension,
  type LimitOverrideDeleteRequested,
  type LimitOverrideListRequested,
  type LimitOverrideReadRequested,
  type LimitOverrideRequested,
  type LimitRefundRequested,
  type LimitResetRequested,
  type LimitStateRequested,
  type LimitTightenRequested,
  untimedFact,
  type Violation,
} from '@countersign/contracts';
import { Clock, ServiceError } from '@countersign/runtime';
import { isLooser, overrideResource, ruleFor, type StoredOverride } from './limit-rules.decision.js';
import { LimiterRefusalCache } from '../refusals/refusal-cache.js';
import { LimitKeyring, LimitPolicies, LimitStore } from '../limits/limits.ports.js';
import { LimitRequests } from '../limits/limit-requests.js';
import { OverrideStore, type OverridesVersion } from './overrides.ports.js';

type Command =
  | LimitOverrideRequested
  | LimitOverrideReadRequested
  | LimitOverrideListRequested
  | LimitOverrideDeleteRequested
  | LimitResetRequested
  | LimitStateRequested;

const LOOSER = {
  field: 'limit',
  rule: 'must not admit more than the policy, which only the administrator may loosen',
};
const KEPT_RULE = 'has an override of the administrator, which only the administrator may end or loosen for one target';

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
    const isCurrent = version.resets === this.#version.resets;
    if (version.changes === this.#version.changes && isCurrent) return;
    const now = this.clock.now();
    // A changed rule is found by comparison with the cached one. Only a reset clears the cache: clearing it at a signal
    // would send the flood that caused the signal to the database.
    const isCleared = isCurrent || this.refusalCache.clear(now);
    const read = await this.settings.read();
    this.limitRequests.settings = new Map(
      [...read].map(([tenant, { overrides, tightenedUntil }]) => [
        tenant,
        {
          overrides: overrides.map((one) => ({ ...one, setAt: now + one.setAt, endsAt: now + one.endsAt })),
          tightenedUntil: now + tightenedUntil,
        },
      ]),
    );
    this.#version = isCleared ? version : { ...version, resets: this.#version.resets };
  }

  override(command: LimitOverrideRequested): Promise<CommandAnswered> {
    const { overrideId, of, limit, reason, expiresAt, tenant, actor } = command;
    return this.#answer(command, async (policy) => {
      const { dimension, target = '', names } = of;
      const { limit: most, periodSeconds, shadow = false } = limit;
      const override = { dimension, target, names, limit: most, periodSeconds, shadow, reason };
      if (!this.#mayLoosen(command) && isLooser(override, policy[dimension])) return invalid(command, LOOSER);
      const { names: _, ...detail } = { ...override, overrideId, expiresAt };
      const fact = untimedFact('limit.overridden', { tenant, actor, detail });
      const added = { ...override, id: overrideId, actor, expiresAt };
      const isAllowed = (existing: StoredOverride): boolean => {
        const isOfDimension = existing.target === '' && target !== '';
        return this.#mayEnd(command, existing) || (isOfDimension && !isLooser(override, existing));
      };
      const result = await this.settings.override(tenant, added, fact, isAllowed);
      if (result === 'full') {
        return invalid(command, {
          field: 'body',
          rule: `a tenant has at most ${MAX_OVERRIDES} overrides: delete one first`,
        });
      }
      if (result === 'ended') return invalid(command, { field: 'expiresAt', rule: 'must be a time to come' });
      if (result === 'kept') return invalid(command, { field: 'dimension', rule: KEPT_RULE });
      await this.refresh();
      return found(command, 'created', overrideResource(result));
    });
  }

  readOverride(command: LimitOverrideReadRequested): Promise<CommandAnswered> {
    return this.#answer(command, async () => {
      const override = await this.settings.find(command.tenant, command.overrideId);
      return override ? found(command, 'found', overrideResource(override)) : found(command, 'not_found', {});
    });
  }

  listOverrides(command: LimitOverrideListRequested): Promise<CommandAnswered> {
    const { tenant, limit, cursor, dimensions, targets } = command;
    return this.#answer(command, async () => {
      const page = { limit: limit + 1, after: cursor, dimensions, targets };
      const overrides = await this.settings.list(tenant, page);
      const items = overrides.slice(0, limit).map(overrideResource);
      return found(command, 'found', { items, nextCursor: overrides.length > limit ? items.at(-1)?.['id'] : null });
    });
  }

  /** The limit of the policy applies to the next request that this replica decides, and soon to those of the others. */
  deleteOverride(command: LimitOverrideDeleteRequested): Promise<CommandAnswered> {
    const { tenant, actor, overrideId } = command;
    return this.#answer(command, async () => {
      const fact = untimedFact('limit.override_deleted', { tenant, actor, detail: { overrideId } });
      const result = await this.settings.delete(tenant, overrideId, fact, (existing) =>
        this.#mayEnd(command, existing),
      );
      if (result === 'kept') return invalid(command, { field: 'override', rule: KEPT_RULE });
      if (result === 'missing') return found(command, 'not_found', {});
      await this.refresh();
      return found(command, 'updated', {});
    });
  }

  reset(command: LimitResetRequested): Promise<CommandAnswered> {
    const { of, reason, tenant, actor } = command;
    return this.#answer(command, async () => {
      const { dimension, target, names } = of;
      // Otherwise the keys of a tenant could use more than the quota that protects the other tenants.
      if (!isOfInstallation(actor) && dimension === 'tenant') {
        const rule = 'must not be tenant: only the administrator may reset the quota of a tenant';
        return invalid(command, { field: 'dimension', rule });
      }
      const targets = names.length === 0 ? [target] : names.map((name) => name.target);
      const counters = targets.flatMap((name) => limitCountersOfTarget(dimension, tenant, name));
      const keys = counters.flatMap((counter) =>
        this.keyring.each.map(({ keys: under }) => under.key(tenant, counter)),
      );
      const detail = { dimension, target: target ?? tenant, reason };
      await this.settings.reset(dimension, keys, untimedFact('limit.reset', { tenant, actor, detail }));
      this.refusalCache.reset(dimension, keys);
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
          .map(({ dimension, target, limit, periodSeconds, reason, endsAt }) => {
            return { dimension, target, limit, periodSeconds, reason, endsInSeconds: seconds(endsAt) };
          }),
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

  #mayLoosen({ actor, tenant }: Command): boolean {
    return isOfInstallation(actor) || this.policies.mayLoosen(tenant);
  }

  /** The administrator can protect a tenant with an override, which a key of the tenant must not end. */
  #mayEnd(command: Command, existing: StoredOverride): boolean {
    return this.#mayLoosen(command) || existing.actor?.kind === 'key';
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

function invalid({ commandId }: Command, violation: Violation): CommandAnswered {
  return message(CommandAnswered, { commandId, answer: 'invalid', violations: [violation] });
}

function found(
  command: Command,
  answer: CommandAnswered['answer'],
  body: Readonly<Record<string, unknown>>,
): CommandAnswered {
  return message(CommandAnswered, { commandId: command.commandId, answer, body });
}
