import { IsInt, Max, Min } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { IsSecret, StoreSettings } from '@countersign/hosting';
import { Secret } from '@countersign/crypto';

export class RateLimitSettings extends StoreSettings {
  @Meaning('base64url of 32 random bytes, the same in both adapters, rate-limit and verification')
  @IsSecret()
  IDENTIFIER_KEY!: Secret;

  @Meaning('Requests decided at the same time; tenants take turns, and one tenant alone gets half of the places')
  @IsInt()
  @Min(1)
  @Max(4096)
  MAX_IN_FLIGHT: number = 256;

  @Meaning('Interval at which expired counters are removed')
  @IsInt()
  @Min(1)
  @Max(86_400)
  PURGE_SECONDS: number = 60;

  @Meaning('Interval at which counted refusals are written as events')
  @IsInt()
  @Min(1)
  @Max(60)
  REPORT_SECONDS: number = 5;
}
