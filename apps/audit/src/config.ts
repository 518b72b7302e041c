import { IsInt, Max, Min } from 'class-validator';
import { StoreSettings } from '@countersign/hosting';

export class AuditSettings extends StoreSettings {
  /** Facts that are put on record at once. */
  @IsInt() @Min(1) @Max(4096) MAX_IN_FLIGHT: number = 256;
}
