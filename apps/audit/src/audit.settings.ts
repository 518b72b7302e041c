import { IsIn, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { IsAdminKey } from '@countersign/api';
import { DEFAULT_LOG_ORIGIN, Meaning, OCSF_VERSIONS, type OcsfVersion } from '@countersign/contracts';
import { Secret } from '@countersign/crypto';
import { IsLogOrigin, IsSecret, StoreSettings } from '@countersign/hosting';

export class AuditSettings extends StoreSettings {
  @Meaning('Port of the API of the audit log; 0 picks a free port')
  @IsInt()
  @Min(0)
  @Max(65_535)
  AUDIT_PORT: number = 3002;

  @Meaning('Key of the administrator, the same as of the REST adapter: it reads the events of every tenant')
  @IsAdminKey()
  ADMIN_API_KEY!: Secret;

  @Meaning(
    'Keys that encrypt the keys of subjects: `id:key[,id:key…]`, each key base64url of 32 bytes; the first one encrypts, all decrypt',
  )
  @IsSecret()
  AUDIT_KEYS!: Secret;

  @Meaning('Facts recorded at the same time')
  @IsInt()
  @Min(1)
  @Max(4096)
  MAX_IN_FLIGHT: number = 256;

  @Meaning('Version of OCSF of the events: `1.1.0` for Amazon Security Lake. Stored events keep the version they have')
  @IsIn(OCSF_VERSIONS)
  OCSF_VERSION: OcsfVersion = '1.8.0';

  @Meaning('Name of the log in its checkpoints. A log keeps the name that it has begun with')
  @IsLogOrigin()
  LOG_ORIGIN: string = DEFAULT_LOG_ORIGIN;

  @Meaning(
    'Public keys of the signer of checkpoints: `name+hash+base64[,…]` or one a line, the current one first, each named `LOG_ORIGIN`; empty: no checkpoint is accepted',
  )
  @IsString()
  LOG_PUBLIC_KEYS: string = '';

  @Meaning(
    'How long entries of the log are kept, by whole half-years: those of a half-year are removed when its end is older. Their hashes stay. Unset: for ever',
  )
  @IsOptional()
  @IsInt()
  @Min(30)
  @Max(36_500)
  LOG_RETENTION_DAYS?: number;
}
