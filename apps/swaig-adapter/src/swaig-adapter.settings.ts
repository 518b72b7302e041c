import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { BusSettings, IsPublicUrl, IsSecret } from '@countersign/hosting';
import { Secret } from '@countersign/crypto';

/** The settings of the SWAIG adapter; each can also be given as `<NAME>_FILE`. */
export class SwaigSettings extends BusSettings {
  @Meaning('Port of `POST /swaig`; 0 picks a free port')
  @IsInt()
  @Min(0)
  @Max(65_535)
  SWAIG_PORT: number = 3000;

  @Meaning(
    'Address under which the platform reaches this service, without `/swaig` and without credentials, for example `https://verify.example.com`; default: `http://localhost:<port>`, with TLS `https://…`',
  )
  @IsOptional()
  @IsPublicUrl()
  PUBLIC_URL?: string;

  @Meaning('Signing key of the SignalWire project; without it, signatures of signature requests are not checked')
  @IsOptional()
  @IsSecret()
  SIGNALWIRE_SIGNING_KEY?: Secret;

  // The platform gives up after about 30 s.
  @Meaning('Longest wait for a decision; after that the answer is `unavailable`')
  @IsInt()
  @Min(50)
  @Max(25_000)
  REPLY_TIMEOUT_MS: number = 5000;

  @Meaning('JSON Web Key Set with the public keys of the verification service')
  @IsString()
  SEALING_PUBLIC_KEYS!: string;

  @Meaning(
    'JSON Web Key Set with the public halves of `RECEIPT_KEYS` of verification; answers are trusted only when one of them verifies',
  )
  @IsString()
  RECEIPT_PUBLIC_KEYS!: string;

  @Meaning('base64url of 32 random bytes, the same in both adapters, rate-limit and verification')
  @IsSecret()
  IDENTIFIER_KEY!: Secret;

  @Meaning('base64url of 32 random bytes, the same in every copy: signs the addresses of keypad entries')
  @IsSecret()
  CAPTURE_TOKEN_KEY!: Secret;
}
