import { IsBoolean, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { BusSettings, IsPublicUrl, IsSecret } from '@countersign/hosting';
import { Secret } from '@countersign/sealing';
import { Hint } from '@countersign/service';

/** Settings of the whole product in one process; each service reads its own besides. */
export class AllInOneSettings extends BusSettings {
  @IsString() @Hint('a folder for the database and the keys') DATA_DIR: string = './data';
  @IsInt() @Min(0) @Max(65_535) SWAIG_PORT: number = 3000;
  @IsInt() @Min(0) @Max(65_535) REST_PORT: number = 3001;
  /** Read by the services too; checked here, before anything is started. */
  @IsOptional() @IsPublicUrl() PUBLIC_URL?: string;
  /** Unset: an embedded PostgreSQL under DATA_DIR. */
  @IsOptional() @IsSecret() DATABASE_URL?: Secret;
  /** Seeds the demo tenant. Default: only with the embedded database in a new folder. */
  @IsOptional() @IsBoolean() DEMO?: boolean;
}
