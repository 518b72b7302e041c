import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { REASON_PATTERN } from './actor.js';
import { MAX_SECRET_HASHES, SecretHash } from './directory.js';
import { DIRECTORY_STATES, DirectoryCommand, MAX_PAGE_SIZE, type DirectoryState } from './management.js';
import { Message } from '../messages/message.js';
import { IsName } from '../names.js';
import { TOPICS } from '../topics.js';
import { IsUtcTime } from '../utc-time.js';

const HEX_64 = /^[0-9a-f]{64}$/;

/**
 * What an API key of a tenant may do. `verify`: what its agent may. `manage`: everything inside its tenant. `manage:read`: read
 * what `manage` may change. `audit`: read the events of its tenant.
 */
export const API_KEY_SCOPES = ['verify', 'manage', 'manage:read', 'audit'] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

/** Most keys of one tenant. Every adapter has all keys in memory. */
export const MAX_API_KEYS = 1000;

/** Base of the commands about one API key of a tenant. */
abstract class ApiKeyCommand extends DirectoryCommand {
  @IsName() keyId!: string;
}

/** Creates an API key. The REST adapter creates its text and shows it once; only its SHA-256 travels. */
export class ApiKeyCreateRequested extends ApiKeyCommand {
  static readonly type = 'api-key.create-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsString() @Length(1, 200) name!: string;
  @IsArray() @ArrayMinSize(1) @ArrayUnique() @IsIn(API_KEY_SCOPES, { each: true }) scopes!: ApiKeyScope[];
  /** Present exactly with the scope `verify`. */
  @IsOptional() @IsName() agent?: string;
  /** Absent: the key does not expire. */
  @IsOptional() @IsUtcTime() expiresAt?: string;
  @Matches(HEX_64) hash!: string;
}

/** Changes the name of an API key. */
export class ApiKeyChangeRequested extends ApiKeyCommand {
  static readonly type = 'api-key.change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsOptional() @IsString() @Length(1, 200) name?: string;
}

/** Enables or disables an API key. */
export class ApiKeyStateChangeRequested extends ApiKeyCommand {
  static readonly type = 'api-key.state-change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsIn(DIRECTORY_STATES) state!: DirectoryState;
  @IsOptional() @Matches(REASON_PATTERN) reason?: string;
}

/** Gives an API key a new text; the old one stays valid for `graceSeconds`. */
export class ApiKeyRotateRequested extends ApiKeyCommand {
  static readonly type = 'api-key.rotate-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Matches(HEX_64) hash!: string;
  @IsInt() @Min(0) @Max(604_800) graceSeconds!: number;
}

/** Deletes an API key. */
export class ApiKeyDeleteRequested extends ApiKeyCommand {
  static readonly type = 'api-key.delete-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
}

/** Requests an API key as it is stored, without its text. */
export class ApiKeyRequested extends ApiKeyCommand {
  static readonly type = 'api-key.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
}

/** Requests one page of a tenant's API keys, in the order of their ids, which is the order of their creation. */
export class ApiKeyListRequested extends DirectoryCommand {
  static readonly type = 'api-key-list.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @IsInt() @Min(1) @Max(MAX_PAGE_SIZE) limit!: number;
  /** The page begins after this id. */
  @IsOptional() @IsName() cursor?: string;
  /** Absent: keys in any state. */
  @IsOptional() @IsIn(DIRECTORY_STATES) state?: DirectoryState;
  /** Absent: keys with and without an agent. */
  @IsOptional() @IsName() agent?: string;
}

/**
 * Reports that an API key was used. A process sends at most one report per key and minute. It has a topic of its own: the audit
 * service, which reports too, must not be able to write commands that change keys.
 */
export class ApiKeyUseReported extends Message {
  static readonly type = 'api-key.use-reported.v1';
  static readonly topic = TOPICS.apiKeyUses.name;
  @IsName() tenant!: string;
  @IsName() keyId!: string;
  /** ISO 8601, on the clock of the process that was used. */
  @IsUtcTime() usedAt!: string;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** An API key that can be used, for every adapter. */
export class ApiKeyPublished extends Message {
  static readonly type = 'api-key.published.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() tenant!: string;
  @IsName() keyId!: string;
  @IsArray() @ArrayMinSize(1) @IsIn(API_KEY_SCOPES, { each: true }) scopes!: ApiKeyScope[];
  @IsOptional() @IsName() agent?: string;
  @IsArray()
  @ArrayMaxSize(MAX_SECRET_HASHES)
  @ValidateNested({ each: true })
  @Type(() => SecretHash)
  hashes!: SecretHash[];
  /** ISO 8601; absent: the key does not expire. */
  @IsOptional() @IsUtcTime() expiresAt?: string;
  get partitionKey(): string {
    return `key/${this.keyId}`;
  }
}

/** An API key that can no longer be used: it, or its tenant, was disabled or deleted. */
export class ApiKeyRemoved extends Message {
  static readonly type = 'api-key.removed.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() keyId!: string;
  get partitionKey(): string {
    return `key/${this.keyId}`;
  }
}
