import { type Actor, type LimitDimension, type UntimedFact } from '@countersign/contracts';
import { type LimitOverride, type LimitSettings, type StoredOverride } from './limit-rules.decision.js';

/** Two version numbers as text; each differs after every change of its kind. */
export interface OverridesVersion {
  /** Changes with every change. */
  readonly changes: string;
  /** Changes with every reset, after which no earlier cached refusal may be used. */
  readonly resets: string;
}

/** An override to set. */
export interface NewOverride extends LimitOverride {
  readonly id: string;
  readonly actor: Actor;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** One page of overrides that have not ended, in the order of their ids. */
export interface OverrideSelection {
  /** The largest number of overrides. */
  readonly limit: number;
  /** Overrides after this id. Undefined: from the first one. */
  readonly after?: string | undefined;
  /** Undefined: of any dimension. */
  readonly dimensions?: readonly LimitDimension[] | undefined;
  /** Names of targets, of which an override has one. Undefined: any target. */
  readonly targets?: readonly string[] | undefined;
}

/** Changes by administrators and signals. Each change is stored together with its fact, or not at all. */
export abstract class OverrideStore {
  /** The current version, whichever replica made the change. */
  abstract version(): Promise<OverridesVersion>;
  /** Everything that has not ended; end times are milliseconds from now. */
  abstract read(): Promise<LimitSettings>;
  /**
   * Overrides a limit of a tenant until a time, and replaces the override of the same target.
   * @param isAllowed called in the transaction with the overrides to replace, and with that of the whole dimension
   * @returns `ended`: that time is in the past; `kept`: one of them does not allow it; `full`: the tenant has as many overrides
   * as a tenant may have
   */
  abstract override(
    tenant: string,
    override: NewOverride,
    fact: UntimedFact,
    isAllowed: (existing: StoredOverride) => boolean,
  ): Promise<StoredOverride | 'ended' | 'kept' | 'full'>;
  /** Overrides of a tenant that have not ended. */
  abstract list(tenant: string, page: OverrideSelection): Promise<StoredOverride[]>;
  /** Undefined: the tenant has no such override, or it has ended. */
  abstract find(tenant: string, id: string): Promise<StoredOverride | undefined>;
  /** @returns `kept`: it may not be deleted; `missing`: the tenant has no such override, or it has ended */
  abstract delete(
    tenant: string,
    id: string,
    fact: UntimedFact,
    mayDelete: (existing: StoredOverride) => boolean,
  ): Promise<'deleted' | 'kept' | 'missing'>;
  /** Halves the limits of a tenant for a time. False: they are already halved for at least half of that time. */
  abstract tighten(tenant: string, seconds: number, fact: UntimedFact): Promise<boolean>;
  /** Clears the use of one limit under these keys, and makes every replica clear its refusal cache. */
  abstract reset(dimension: LimitDimension, keys: readonly string[], fact: UntimedFact): Promise<void>;
  /** Removes all overrides and tightened limits of a deleted tenant. @returns true: nothing remains */
  abstract eraseTenant(tenant: string): Promise<boolean>;
  /** Removes what has ended. */
  abstract purge(): Promise<void>;
}
