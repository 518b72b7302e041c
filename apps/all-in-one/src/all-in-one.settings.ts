import { IsBoolean, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { BusSettings, IsPublicUrl, IsSecret } from '@countersign/hosting';
import { Secret } from '@countersign/crypto';

/** Settings of the whole product in one process; each service also reads its own. */
export class AllInOneSettings extends BusSettings {
  @Meaning('Folder of the embedded database, of `secrets/` and of the demo; created if it is missing')
  @IsString()
  DATA_DIR: string = './data';

  @Meaning('Port of the SWAIG adapter')
  @IsInt()
  @Min(0)
  @Max(65_535)
  SWAIG_PORT: number = 3000;

  @Meaning('Port of the REST adapter')
  @IsInt()
  @Min(0)
  @Max(65_535)
  REST_PORT: number = 3001;

  @Meaning('Port of the API of the audit log')
  @IsInt()
  @Min(0)
  @Max(65_535)
  AUDIT_PORT: number = 3002;

  // The services read it, too. It is checked here so that a wrong value fails before anything has started.
  @Meaning('Address under which the platform reaches this installation')
  @IsOptional()
  @IsPublicUrl()
  PUBLIC_URL?: string;

  @Meaning('Default: an embedded PostgreSQL below `DATA_DIR`')
  @IsOptional()
  @IsSecret()
  DATABASE_URL?: Secret;

  @Meaning('`true` creates the demo tenant; default: only with the embedded database in a new folder')
  @IsOptional()
  @IsBoolean()
  DEMO?: boolean;
}
