import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import { Message } from '../messages/message.js';
import { IsName, IsSubjectId } from '../names.js';
import { REPLY, TOPICS } from '../topics.js';
import { IsUtcTime } from '../utc-time.js';
import { LEVELS, type Level } from './verification.js';

/** Requests the state of a call from the ledger. */
export class CallStateRequested extends Message {
  static readonly type = 'call-state.requested.v1';
  static readonly topic = TOPICS.queries.name;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @IsString() @Length(1, 256) callId!: string;
  get partitionKey(): string {
    return `${this.tenant}:${this.callId}`;
  }
}

/** The state of a call. Not verified are also an unknown call, a call of another tenant and an expired verification. */
export class CallStateAnswered extends Message {
  static readonly type = 'call-state.answered.v1';
  static readonly topic = REPLY;
  /** True after any success, as in SWAIG responses; `level` has the level. */
  @IsBoolean() verified!: boolean;
  @IsIn(LEVELS) level!: Level;
  @IsOptional() @IsSubjectId() subject?: string;
  @IsOptional() @IsString() @MaxLength(64) verificationId?: string;
  /** ISO 8601, on the database's clock. */
  @IsOptional() @IsUtcTime() verifiedAt?: string;
  @IsOptional() @IsUtcTime() expiresAt?: string;
  /** A reply address has one reader, so the order does not matter. */
  get partitionKey(): string {
    return this.verificationId ?? '';
  }
}

/** Requests the introspection of a receipt, and its consumption if `consume` is set. The receipt is a secret, so it is encrypted. */
export class ReceiptIntrospectionRequested extends Message {
  static readonly type = 'receipt.introspection-requested.v1';
  static readonly topic = TOPICS.queries.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  /** The call that the receipt must belong to, if the requester knows it. */
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  @IsBoolean() consume!: boolean;
  /** Compact JWE of `{receipt}`, bound to every other field. */
  @Length(1, 16_384) sealed!: string;
  get partitionKey(): string {
    return this.commandId;
  }
}

/** The result as in RFC 7662: for an inactive receipt there are no other fields. */
export class ReceiptIntrospected extends Message {
  static readonly type = 'receipt.introspected.v1';
  static readonly topic = REPLY;
  @Length(8, 128) commandId!: string;
  @IsBoolean() active!: boolean;
  /** The claims of the receipt, only if it is active. */
  @IsOptional() @IsObject() claims?: Record<string, string | number>;
  get partitionKey(): string {
    return this.commandId;
  }
}

/** The check value of a key: the same for both halves of a pair. It reveals nothing of the key. */
export class KeyCheckValue {
  @IsString() @Length(1, 64) keyId!: string;
  @Matches(/^[0-9a-f]{64}$/) value!: string;
}

/** The keys of an adapter for one setting; the key in use is first. */
export class SettingKeys {
  @IsString() @Length(1, 64) setting!: string;
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(32)
  @ValidateNested({ each: true })
  @Type(() => KeyCheckValue)
  keys!: KeyCheckValue[];
}

/** Requests the comparison of an adapter's keys with those of verification. */
export class KeyComparisonRequested extends Message {
  static readonly type = 'key-comparison.requested.v1';
  static readonly topic = TOPICS.queries.name;
  @Length(8, 128) commandId!: string;
  /** Name of the requesting service. */
  @IsString() @Length(1, 64) service!: string;
  @IsArray() @ArrayMaxSize(16) @ValidateNested({ each: true }) @Type(() => SettingKeys) settings!: SettingKeys[];
  get partitionKey(): string {
    return this.commandId;
  }
}

/** Settings with keys that do not match; empty if all match. */
export class KeysCompared extends Message {
  static readonly type = 'keys.compared.v1';
  static readonly topic = REPLY;
  @Length(8, 128) commandId!: string;
  @IsArray() @IsString({ each: true }) mismatches!: string[];
  get partitionKey(): string {
    return this.commandId;
  }
}
