import { IsInt, IsString, Max, Min } from 'class-validator';
import { BusSettings, IsSecret } from '@countersign/hosting';
import { Secret } from '@countersign/sealing';
import { Hint } from '@countersign/service';

/** Shortest administrator key, in characters: 24 of base64 are 144 bits. */
export const ADMIN_KEY_LENGTH = 24;

/** The settings of the REST adapter; each can also be given as `<NAME>_FILE`. */
export class RestSettings extends BusSettings {
  /** Port of the REST API; 0 picks a free one. */
  @IsInt() @Min(0) @Max(65_535) REST_PORT: number = 3001;

  /** Longest wait for an answer of the other services, in milliseconds. */
  @IsInt() @Min(50) @Max(60_000) REPLY_TIMEOUT_MS: number = 5000;

  @Hint('the JSON Web Key Set with the public keys of the verification service')
  @IsString()
  SEALING_PUBLIC_KEYS!: string;

  @Hint('the JSON Web Key Set with the public keys of receipts and of the answers of the verification service')
  @IsString()
  RECEIPT_PUBLIC_KEYS!: string;

  @Hint('base64url of 32 random bytes, the same for every service')
  @IsSecret()
  IDENTIFIER_KEY!: Secret;

  @Hint("the bootstrap administrator's key, printable ASCII without spaces")
  @IsSecret(ADMIN_KEY_LENGTH)
  ADMIN_API_KEY!: Secret;
}

/**
 * A key that can be sent in a header as it is.
 * @throws Error that says which form the administrator's key must have
 */
export function checkedAdminKey(key: Secret): Secret {
  if (!/^[\x21-\x7e]+$/.test(key.reveal())) throw new Error('must be printable ASCII without spaces');
  return key;
}
