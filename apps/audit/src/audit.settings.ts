import { IsInt, Max, Min } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { StoreSettings } from '@countersign/hosting';

export class AuditSettings extends StoreSettings {
  @Meaning('Facts recorded at the same time')
  @IsInt()
  @Min(1)
  @Max(4096)
  MAX_IN_FLIGHT: number = 256;
}
