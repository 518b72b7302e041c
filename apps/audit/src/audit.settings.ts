import { IsIn, IsInt, Max, Min } from 'class-validator';
import { Meaning, OCSF_VERSIONS, type OcsfVersion } from '@countersign/contracts';
import { StoreSettings } from '@countersign/hosting';

export class AuditSettings extends StoreSettings {
  @Meaning('Facts recorded at the same time')
  @IsInt()
  @Min(1)
  @Max(4096)
  MAX_IN_FLIGHT: number = 256;

  @Meaning('Version of OCSF of the events: `1.1.0` for Amazon Security Lake. Stored events keep the version they have')
  @IsIn(OCSF_VERSIONS)
  OCSF_VERSION: OcsfVersion = '1.8.0';
}
