import { IsInt, Max, Min } from 'class-validator';
import { StoreSettings } from '@countersign/hosting';

export class RateLimitSettings extends StoreSettings {
  /** Requests that are decided at once. */
  @IsInt() @Min(1) @Max(4096) MAX_IN_FLIGHT: number = 128;
  /** How often windows that can refuse nobody any more are removed. */
  @IsInt() @Min(1) @Max(86_400) FORGET_SECONDS: number = 60;
}
