import { type LimitDimension, type UntimedFact } from '@countersign/contracts';
import { type LimitOverride, type LimitSettings } from './limit-rules.decision.js';

/** Two version numbers as text; each differs after every change of its kind. */
export interface OverridesVersion {
  /** Changes with every change. */
  readonly changes: string;
  /** Changes with every reset, after which no earlier cached refusal may be used. */
  readonly resets: string;
}

/** Changes by administrators and signals. Each change is stored together with its fact, or not at all. */
export abstract class OverrideStore {
  /** The current version, whichever replica made the change. */
  abstract version(): Promise<OverridesVersion>;
  /** Everything that has not ended; end times are milliseconds from now. */
  abstract read(): Promise<LimitSettings>;
  /** Overrides a limit of a tenant until a time. False: that time is in the past. */
  abstract override(
    tenant: string,
    override: LimitOverride & { readonly expiresAt: string },
    fact: UntimedFact,
  ): Promise<boolean>;
  /** Halves the limits of a tenant for a time. False: they are already halved for at least half of that time. */
  abstract tighten(tenant: string, seconds: number, fact: UntimedFact): Promise<boolean>;
  /** Clears the use of one limit under these keys, and makes every replica clear its refusal cache. */
  abstract reset(dimension: LimitDimension, keys: readonly string[], fact: UntimedFact): Promise<void>;
  /** Removes what has ended. */
  abstract purge(): Promise<void>;
}
