import { IsDefined, IsIn, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { Secret } from '@countersign/sealing';
import { ServiceError, Hint } from '@countersign/service';

/** Shortest administrator key, in characters: 24 of base64 are 144 bits. */
export const ADMIN_KEY_LENGTH = 24;

/** The settings of this service; each can also be given as `<NAME>_FILE`. */
export class RestSettings {
  @Hint('address to listen on; 0.0.0.0 for all')
  @IsString()
  HOST: string = '127.0.0.1';

  @Hint('port of the REST API; 0 picks a free one')
  @IsInt()
  @Min(0)
  @Max(65_535)
  REST_PORT: number = 3001;

  @Hint('port of health and metrics for operators')
  @IsInt()
  @Min(0)
  @Max(65_535)
  OPS_PORT: number = 9464;

  @IsIn(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
  LOG_LEVEL: string = 'info';

  @Hint('host:port of the Kafka brokers, with commas between them')
  @IsOptional()
  @IsString()
  KAFKA_BROKERS?: string;

  @Hint('put before the name of every topic and group, so that installations can share a cluster')
  @IsString()
  TOPIC_PREFIX: string = '';

  @Hint('how long an answer of the other services is awaited, in milliseconds')
  @IsInt()
  @Min(50)
  @Max(60_000)
  REPLY_TIMEOUT_MS: number = 5000;

  @Hint('JSON Web Key Set with the public sealing keys of the verification service')
  @IsString()
  SEALING_PUBLIC_KEYS!: string;

  @Hint('base64url of 32 random bytes, the same in every service')
  @IsDefined()
  IDENTIFIER_KEY!: Secret;

  @Hint(`the bootstrap administrator's key, at least ${ADMIN_KEY_LENGTH} characters`)
  @IsDefined()
  ADMIN_API_KEY!: Secret;
}

/**
 * Makes something of a setting whose form only its user can check.
 * @throws ServiceError SETTINGS_INVALID that names the setting and what its form must be, never the value
 */
export async function fromSetting<T>(name: keyof RestSettings, make: () => T | Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    // Our own checks say "must …"; anything else comes from a parser and may quote the value.
    const text = error instanceof Error ? error.message : '';
    const rule = text.startsWith('must ') || text.startsWith('every key ') ? text : 'does not hold a usable key';
    throw new ServiceError('SETTINGS_INVALID', `These settings are missing or wrong:\n  ${name} ${rule}`, false);
  }
}

/** @throws Error that says which form the administrator's key must have */
export function checkedAdminKey(key: Secret): Secret {
  if (!/^[\x21-\x7e]+$/.test(key.reveal())) throw new Error('must be printable ASCII without spaces');
  if (key.reveal().length < ADMIN_KEY_LENGTH) throw new Error(`must have at least ${ADMIN_KEY_LENGTH} characters`);
  return key;
}
