import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
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
import { Message } from '../messages/message.js';
import { IsName } from '../names.js';
import { TOPICS } from '../topics.js';
import { OPERATOR_ID_PATTERN, OPERATOR_NAME_PATTERN, OPERATOR_ROLES, type OperatorRoleName } from './actor.js';
import { ManagementCommand } from './management.js';
import { IsUtcTime } from '../utc-time.js';

const HEX_64 = /^[0-9a-f]{64}$/;

/** Longest life of a session, in seconds: a week. */
export const MAX_SESSION_SECONDS = 604_800;

/** A role of an operator. */
export class RoleGrant {
  @IsIn(OPERATOR_ROLES) role!: OperatorRoleName;
  /** Absent: every tenant, and what belongs to none. */
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(1000) @IsName({ each: true }) tenants?: string[];
}

/**
 * Base of the messages about one sign-in or session. Only the SHA-256 of its id travels and is stored: a cookie cannot be made
 * from it.
 */
abstract class HashedIdMessage extends Message {
  @Length(8, 128) commandId!: string;
  @Matches(HEX_64) idHash!: string;
  get partitionKey(): string {
    return this.idHash;
  }
}

/** Begins a sign-in at the OpenID provider. State, nonce and PKCE verifier are derived from its id and stored nowhere. */
export class OperatorSignInBeginRequested extends HashedIdMessage {
  static readonly type = 'operator-sign-in.begin-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  /** Path of the page to which the operator returns. */
  @Matches(/^\/console(\/[\w.~!$&'()*+,;=:@%/?-]*)?$/) @Length(1, 1000) returnTo!: string;
  /** The provider must authenticate the person again. */
  @IsBoolean() recent!: boolean;
}

/** Takes a sign-in that has begun. Only the first request gets it. */
export class OperatorSignInTakeRequested extends HashedIdMessage {
  static readonly type = 'operator-sign-in.take-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
}

/** Starts a session of the actor. */
export class OperatorSessionStartRequested extends ManagementCommand {
  static readonly type = 'operator-session.start-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Matches(HEX_64) idHash!: string;
  /** Absent: the operator signed in with the administrator key. */
  @IsOptional() @IsString() @Length(1, 500) issuer?: string;
  @Matches(OPERATOR_ID_PATTERN) subject!: string;
  @Matches(OPERATOR_NAME_PATTERN) name!: string;
  /** `sid` of the provider's session. */
  @IsOptional() @IsString() @Length(1, 255) providerSession?: string;
  /** Hash of the session that the browser had. It ends if it is of the same person. */
  @IsOptional() @Matches(HEX_64) replaces?: string;
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ValidateNested({ each: true })
  @Type(() => RoleGrant)
  grants!: RoleGrant[];
  /** When the person was authenticated, ISO 8601. Absent: now. */
  @IsOptional() @IsUtcTime() authenticatedAt?: string;
  @IsInt() @Min(1) @Max(MAX_SESSION_SECONDS) lifeSeconds!: number;
  /** As in {@link OperatorSessionRequested}. Absent: unknown until the session is used. */
  @IsOptional() @IsInt() @Min(1) @Max(MAX_SESSION_SECONDS) idleSeconds?: number;
  get partitionKey(): string {
    return this.idHash;
  }
}

/** Requests a session that has not ended. */
export class OperatorSessionRequested extends HashedIdMessage {
  static readonly type = 'operator-session.requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  /** A session that was not used for this long has ended. */
  @IsInt() @Min(1) @Max(MAX_SESSION_SECONDS) idleSeconds!: number;
  /** The request uses the session, which moves the end of its idle time. */
  @IsBoolean() isUse!: boolean;
}

/** Ends a session, or every session of its operator. */
export class OperatorSessionEndRequested extends ManagementCommand {
  static readonly type = 'operator-session.end-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Matches(HEX_64) idHash!: string;
  @IsBoolean() everywhere!: boolean;
  get partitionKey(): string {
    return this.idHash;
  }
}

/** Ends the sessions that a logout token of the provider names (OpenID Connect Back-Channel Logout 1.0). */
export class OperatorLogoutRequested extends Message {
  static readonly type = 'operator.logout-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Length(8, 128) commandId!: string;
  @IsString() @Length(1, 500) issuer!: string;
  /** SHA-256 of issuer and `jti`: a token has an effect once. */
  @Matches(HEX_64) tokenHash!: string;
  /** One of the two is present. */
  @IsOptional() @Matches(OPERATOR_ID_PATTERN) subject?: string;
  @IsOptional() @IsString() @Length(1, 255) providerSession?: string;
  get partitionKey(): string {
    return this.tokenHash;
  }
}

/** A session as the directory answers it. */
export interface OperatorSessionState {
  /** Null: the operator signed in with the administrator key. */
  readonly issuer: string | null;
  readonly subject: string;
  readonly name: string;
  readonly grants: readonly RoleGrant[];
  /** ISO 8601, like all times. */
  readonly signedInAt: string;
  readonly expiresAt: string;
  /** Seconds since the person was authenticated, on the clock of the database. */
  readonly secondsSinceAuthentication: number;
}
