import { IsInt, Max, Min } from 'class-validator';
import { IsSecret, StoreSettings } from '@countersign/hosting';
import { Secret } from '@countersign/sealing';
import { Hint } from '@countersign/service';

export class RateLimitSettings extends StoreSettings {
  @IsSecret()
  @Hint('32 random bytes as base64url, the same in every service')
  IDENTIFIER_KEY!: Secret;
  /** Requests that are decided at once. One tenant alone gets half of the places. */
  @IsInt() @Min(1) @Max(4096) MAX_IN_FLIGHT: number = 256;
  /** How often counters that can refuse nobody any more are removed. */
  @IsInt() @Min(1) @Max(86_400) FORGET_SECONDS: number = 60;
  /** How often refusals that were counted are put on record. */
  @IsInt() @Min(1) @Max(60) REPORT_SECONDS: number = 5;
}
