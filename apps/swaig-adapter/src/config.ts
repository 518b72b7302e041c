import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { BusSettings, IsPublicUrl, IsSecret } from '@countersign/hosting';
import { Secret } from '@countersign/sealing';
import { Hint } from '@countersign/service';

/** The settings of the SWAIG adapter; each can also be given as `<NAME>_FILE`. */
export class SwaigSettings extends BusSettings {
  /** Port of `POST /swaig`; 0 picks a free one. */
  @IsInt() @Min(0) @Max(65_535) SWAIG_PORT: number = 3000;

  @Hint('the address under which the platform reaches this service, for example https://verify.example.com')
  @IsOptional()
  @IsPublicUrl()
  PUBLIC_URL?: string;

  @Hint('the signing key of the SignalWire project; absent: signatures are not checked')
  @IsOptional()
  @IsSecret()
  SIGNALWIRE_SIGNING_KEY?: Secret;

  /** Longest wait for a decision; then the answer is `unavailable`. The platform gives up after about 30 s. */
  @IsInt() @Min(50) @Max(25_000) REPLY_TIMEOUT_MS: number = 5000;

  @Hint('the JSON Web Key Set with the public keys of the verification service')
  @IsString()
  SEALING_PUBLIC_KEYS!: string;

  @Hint('the JSON Web Key Set with the public keys of receipts and of the answers of the verification service')
  @IsString()
  RECEIPT_PUBLIC_KEYS!: string;

  @Hint('base64url of 32 random bytes, the same for every service')
  @IsSecret()
  IDENTIFIER_KEY!: Secret;

  @Hint('base64url of 32 random bytes, the same for every copy of this service')
  @IsSecret()
  CAPTURE_TOKEN_KEY!: Secret;
}

/** The address in front of `/swaig` as the platform knows it, without a slash at the end; known once the port is. */
export class PublicUrl {
  constructor(readonly get: () => string) {}
}
