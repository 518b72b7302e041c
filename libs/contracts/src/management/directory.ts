import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  ValidateNested,
} from 'class-validator';
import { Actor } from './actor.js';
import { Message } from '../messages/message.js';
import { IsName } from '../names.js';
import { LOOSENABLE_FIELDS, Policy, type LoosenableField } from './policy.js';
import { TOPICS } from '../topics.js';
import { IsUtcTime } from '../utc-time.js';

/** Header of the last entry of a change, with the id of the change. A cache reports it, see {@link DirectoryCacheReported}. */
export const CHANGE_HEADER = 'change';

/** Most changes in one report. */
export const MAX_REPORTED_CHANGES = 256;

/** The services that have a cache of the directory. Reports of others are ignored. */
export const DIRECTORY_CACHE_SERVICES = [
  'swaig-adapter',
  'rest-adapter',
  'verification',
  'rate-limit',
  'webhooks',
  'audit',
] as const;

/** A tenant with its effective policy, for every service. */
export class TenantPublished extends Message {
  static readonly type = 'tenant.published.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() tenant!: string;
  @IsString() @Length(1, 200) name!: string;
  @ValidateNested() @Type(() => Policy) policy!: Policy;
  /** What the installation lets its tenants loosen. Absent: nothing. */
  @IsOptional() @IsArray() @IsIn(LOOSENABLE_FIELDS, { each: true }) mayLoosen?: LoosenableField[];
  /** ISO 8601. A tenant that is created again under an id has another time. */
  @IsOptional() @IsUtcTime() createdAt?: string;
  get partitionKey(): string {
    return `tenant/${this.tenant}`;
  }
}

/**
 * A tenant that is being deleted. The services in {@link ERASING_SERVICES} erase its data and report it until
 * {@link TenantRemoved} follows.
 */
export class TenantDeletionStarted extends Message {
  static readonly type = 'tenant.deletion-started.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() tenant!: string;
  /** As in {@link TenantPublished}: names the tenant among those that had its id. */
  @IsUtcTime() createdAt!: string;
  /** Who requested the deletion, for the events of the erased data. */
  @IsOptional() @ValidateNested() @Type(() => Actor) actor?: Actor;
  get partitionKey(): string {
    return `tenant/${this.tenant}`;
  }
}

/** The services that store data of tenants beside the directory. A tenant is deleted after all of them have erased it. */
export const ERASING_SERVICES = ['verification', 'rate-limit', 'webhooks'] as const;
export type ErasingService = (typeof ERASING_SERVICES)[number];

/** Reports that a service has no data of a tenant any more. Repeated until the tenant is removed. */
export class TenantErased extends Message {
  static readonly type = 'tenant.erased.v1';
  /** Not the topic of management commands: who may report an erasure must not be able to create an agent. */
  static readonly topic = TOPICS.tenantErasures.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsUtcTime() createdAt!: string;
  @IsIn(ERASING_SERVICES) service!: ErasingService;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Most values of one secret that are valid at a time: the current one, and earlier ones in their grace period. */
export const MAX_SECRET_HASHES = 32;

/** SHA-256 of a secret with 256 random bits, so no slow hash is needed, and the end of its validity. */
export class SecretHash {
  @Matches(/^[0-9a-f]{64}$/) hash!: string;
  /** ISO 8601; absent: valid until the next rotation. */
  @IsOptional() @IsUtcTime() validUntil?: string;
}

/** An agent with the hashes of its secrets and its effective policy, for every service. */
export class AgentPublished extends Message {
  static readonly type = 'agent.published.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() tenant!: string;
  /** Unique in the installation: it is the user name of Basic authentication. */
  @IsName() agent!: string;
  @IsString() @Length(1, 200) name!: string;
  /**
   * When the agent was created, ISO 8601: distinguishes it from a deleted agent with the same id. Absent in the entries of an
   * older directory.
   */
  @IsOptional() @IsUtcTime() createdAt?: string;
  @IsArray() @ValidateNested({ each: true }) @Type(() => SecretHash) passwords!: SecretHash[];
  @IsArray() @ValidateNested({ each: true }) @Type(() => SecretHash) apiKeys!: SecretHash[];
  @ValidateNested() @Type(() => Policy) policy!: Policy;
  get partitionKey(): string {
    return `agent/${this.agent}`;
  }
}

/** A tenant that was deleted. */
export class TenantRemoved extends Message {
  static readonly type = 'tenant.removed.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() tenant!: string;
  get partitionKey(): string {
    return `tenant/${this.tenant}`;
  }
}

/** An agent that can no longer authenticate: it, or its tenant, was disabled or deleted. */
export class AgentRemoved extends Message {
  static readonly type = 'agent.removed.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() agent!: string;
  get partitionKey(): string {
    return `agent/${this.agent}`;
  }
}

/** Reports what one directory cache has applied. The directory confirms a change after every live cache has reported it. */
export class DirectoryCacheReported extends Message {
  static readonly type = 'directory-cache.reported.v1';
  static readonly topic = TOPICS.directoryCaches.name;
  /** New with every start of a process. */
  @IsUUID() cacheId!: string;
  /** Name of the service that uses the copy. */
  @IsIn(DIRECTORY_CACHE_SERVICES) service!: string;
  /** False: the process stops and applies no further change. */
  @IsBoolean() isOpen!: boolean;
  /** Ids of the changes that were applied since the last report. */
  @IsArray() @ArrayMaxSize(MAX_REPORTED_CHANGES) @IsString({ each: true }) changes!: string[];
  get partitionKey(): string {
    return this.cacheId;
  }
}
