import { IsOptional, IsString, Length } from 'class-validator';
import { DEFAULT_LOG_ORIGIN, Meaning } from '@countersign/contracts';
import { Secret } from '@countersign/crypto';
import { IsLogOrigin, IsSecret, StoreSettings } from '@countersign/hosting';

export class LogSignerSettings extends StoreSettings {
  @Meaning('Name of the log in its checkpoints, the same as of audit')
  @IsLogOrigin()
  LOG_ORIGIN: string = DEFAULT_LOG_ORIGIN;

  @Meaning(
    'Private key of the log, `PRIVATE+KEY+name+hash+base64` with the name `LOG_ORIGIN`. No other service may have it',
  )
  @IsSecret()
  LOG_SIGNING_KEY!: Secret;

  @Meaning(
    'File with the checkpoint that was signed last, on a disk that is kept. It is what refuses a log that was rolled back: store it apart from the database, and never restore an older one',
  )
  @IsString()
  @Length(1, 4096)
  LOG_SIGNER_STATE!: string;

  @Meaning(
    'Witnesses that sign each checkpoint as well (C2SP tlog-witness), at most 14: `key url[,key url…]`, with the verifier key of the witness and the URL before `/add-checkpoint`',
  )
  @IsOptional()
  @IsString()
  LOG_WITNESSES?: string;
}
