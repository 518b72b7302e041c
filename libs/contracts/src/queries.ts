import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsISO8601,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import { Message } from './message.js';
import { IsName, IsSubjectId } from './names.js';
import { REPLY, TOPICS } from './topics.js';
import { LEVELS, type Level } from './verification.js';

/** Asks what is known of the caller of a call, from the server's own record. */
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

/** The state of a call. An unknown call, one of another tenant and one whose time is over are alike: not verified. */
export class CallStateAnswered extends Message {
  static readonly type = 'call-state.answered.v1';
  static readonly topic = REPLY;
  /** True for any success, as in the SWAIG answers; `level` says which. */
  @IsBoolean() verified!: boolean;
  @IsIn(LEVELS) level!: Level;
  @IsOptional() @IsSubjectId() subject?: string;
  @IsOptional() @IsString() @MaxLength(64) verificationId?: string;
  /** ISO 8601, on the database's clock. */
  @IsOptional() @IsISO8601() verifiedAt?: string;
  @IsOptional() @IsISO8601() expiresAt?: string;
  /** Nobody else waits at the address of the asker for this. */
  get partitionKey(): string {
    return this.verificationId ?? '';
  }
}

/** Asks whether a receipt is good, and spends it when `consume` is set. The receipt travels sealed: it is a secret. */
export class ReceiptIntrospectionRequested extends Message {
  static readonly type = 'receipt.introspection-requested.v1';
  static readonly topic = TOPICS.queries.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  /** The call that the receipt must belong to, when the asker knows one. */
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  @IsBoolean() consume!: boolean;
  /** Compact JWE of `{receipt}`, bound to every other field. */
  @Length(1, 16_384) sealed!: string;
  get partitionKey(): string {
    return this.commandId;
  }
}

/** The answer, in the manner of RFC 7662: of a receipt that is not good nothing more is told. */
export class ReceiptIntrospected extends Message {
  static readonly type = 'receipt.introspected.v1';
  static readonly topic = REPLY;
  @Length(8, 128) commandId!: string;
  @IsBoolean() active!: boolean;
  /** The claims of the receipt, only when it is active. */
  @IsOptional() @IsObject() claims?: Record<string, string | number>;
  get partitionKey(): string {
    return this.commandId;
  }
}

/** A key that a process holds, as its check value: the same for both halves of a pair, and nothing of the key itself. */
export class KeyCheckValue {
  @IsString() @Length(1, 64) keyId!: string;
  @Matches(/^[0-9a-f]{64}$/) value!: string;
}

/** What an adapter holds for one setting, the key in use first. */
export class SettingKeys {
  @IsString() @Length(1, 64) setting!: string;
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(32)
  @ValidateNested({ each: true })
  @Type(() => KeyCheckValue)
  keys!: KeyCheckValue[];
}

/** Asks the verification service whether an adapter's keys fit its own. */
export class KeyComparisonRequested extends Message {
  static readonly type = 'key-comparison.requested.v1';
  static readonly topic = TOPICS.queries.name;
  @Length(8, 128) commandId!: string;
  /** Name of the service that asks. */
  @IsString() @Length(1, 64) service!: string;
  @IsArray() @ArrayMaxSize(16) @ValidateNested({ each: true }) @Type(() => SettingKeys) settings!: SettingKeys[];
  get partitionKey(): string {
    return this.commandId;
  }
}

/** Settings whose keys do not fit; empty when all do. */
export class KeysCompared extends Message {
  static readonly type = 'keys.compared.v1';
  static readonly topic = REPLY;
  @Length(8, 128) commandId!: string;
  @IsArray() @IsString({ each: true }) mismatches!: string[];
  get partitionKey(): string {
    return this.commandId;
  }
}
