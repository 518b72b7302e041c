import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsNotIn,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsName } from './names.js';

/** Deepest nesting of a policy as it is sent. The deepest part that means something is four levels down. */
export const POLICY_DEPTH = 8;

/** Functions that an agent may use; the names are those of the SWAIG contract. */
export const FUNCTIONS = [
  'verify_pin',
  'verify_identity',
  'verification_status',
  'request_transfer',
  'collect_pin',
] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** The budget of attempts at one credential of a subject. */
export class AttemptPolicy {
  /**
   * Attempts of all callers together that are compared in any window; the last of them charges the lock. While a credential
   * has recognized callers, the last one is reserved for them: with 1, nobody else is compared. NIST caps the total at 100.
   */
  @IsInt() @Min(1) @Max(100) perWindow!: number;
  @IsInt() @Min(1) @Max(604_800) windowSeconds!: number;
  /** Length of the first lock; every further one doubles. */
  @IsInt() @Min(1) @Max(604_800) lockSeconds!: number;
  /** Longest lock, whatever the doubling says. */
  @IsInt() @Min(1) @Max(2_592_000) maxLockSeconds!: number;
}

/** At most `limit` in any window of `periodSeconds`; above 64 at that rate. */
export class Limit {
  @IsInt() @Min(1) @Max(1_000_000) limit!: number;
  @IsInt() @Min(1) @Max(604_800) periodSeconds!: number;
  /** Only for limits above 64: how many may come at once. Default: `limit`. */
  @IsOptional() @IsInt() @Min(1) @Max(1_000_000) burst?: number;
  /** Decide and report what would have been refused, and refuse nothing. */
  @IsOptional() @IsBoolean() shadow?: boolean;
}

/** From when on many tries look like an attack, and what follows. Windows are ten minutes long at most. */
export class SignalPolicy {
  /** Different subjects that one caller asks about. */
  @IsOptional() @IsInt() @Min(2) @Max(1000) subjectsPerCaller?: number;
  /** Different callers that ask about one subject. */
  @IsOptional() @IsInt() @Min(2) @Max(1000) callersPerSubject?: number;
  /** Different subjects at which one wrong PIN is tried, and at which one agent brings wrong PINs, times ten. */
  @IsOptional() @IsInt() @Min(2) @Max(1000) subjectsPerPin?: number;
  /** Halve the limits of the tenant for some minutes after a signal. */
  @IsOptional() @IsBoolean() stricter?: boolean;
}

export const SIGNAL_DEFAULTS = { subjectsPerCaller: 10, callersPerSubject: 10, subjectsPerPin: 10, stricter: false };

export const LIMIT_DIMENSIONS = ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'] as const;
export type LimitDimension = (typeof LIMIT_DIMENSIONS)[number];

export class LimitPolicy implements Record<LimitDimension, Limit> {
  @ValidateNested() @Type(() => Limit) caller!: Limit;
  @ValidateNested() @Type(() => Limit) call!: Limit;
  @ValidateNested() @Type(() => Limit) subject!: Limit;
  @ValidateNested() @Type(() => Limit) agent!: Limit;
  @ValidateNested() @Type(() => Limit) tenant!: Limit;
  @ValidateNested() @Type(() => Limit) subjectsPerCaller!: Limit;
}

/** Functions of the agent that a reached level switches on. */
export class UnlockedFunctions {
  @IsArray() @ArrayUnique() @ArrayMaxSize(64) @IsString({ each: true }) identified!: string[];
  @IsArray() @ArrayUnique() @ArrayMaxSize(64) @IsString({ each: true }) verified!: string[];
}

/**
 * Names that no question may have: arguments of our own functions and fields of a platform's envelope, which are read from
 * the same object as the answers, and members that every object of the language has.
 */
export const RESERVED_QUESTION_NAMES = [
  ...['customer_id', 'pin', 'department'],
  ...['argument', 'parsed', 'raw', 'substituted'],
  ...['constructor', 'prototype'],
] as const;

/** One question of knowledge-based verification. The answers are the subject's; the question is the policy's. */
export class Question {
  @Matches(/^[a-z][a-z0-9_]{0,62}$/, { message: '$property must be a lower-case name' })
  @IsNotIn(RESERVED_QUESTION_NAMES, {
    message: `$property must not be one of ${RESERVED_QUESTION_NAMES.join(', ')}, which are taken`,
  })
  name!: string;
  @IsString() @Length(1, 300) description!: string;
  @IsIn(['digits', 'date', 'text', 'zip']) kind!: 'digits' | 'date' | 'text' | 'zip';
  @IsOptional() @IsInt() @Min(1) @Max(64) length?: number;
}

/**
 * Somebody answers for it that knowledge alone reaches the level `verified` in this policy. Without one it reaches
 * `identified` at most: NIST SP 800-63A-4 and 800-63B-4 do not accept it as proof of who somebody is.
 */
export class KnowledgeWaiver {
  /** Person or office that answers for it. */
  @IsString() @Length(1, 200) owner!: string;
  @IsString() @Length(1, 500) reason!: string;
  /** ISO 8601, UTC: the waiver holds before this moment and not after it. A day alone is its beginning. */
  @Matches(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z)?$/, {
    message: '$property must be a day such as 2027-01-31, or a time in UTC such as 2027-01-31T12:00:00Z',
  })
  @IsISO8601({ strict: true }, { message: '$property must be a day of the calendar' })
  expires!: string;
}

export class KnowledgePolicy {
  @IsArray()
  @ArrayMaxSize(10)
  @ArrayUnique((question?: Question) => question?.name, { message: '$property must not name a question twice' })
  @ValidateNested({ each: true })
  @Type(() => Question)
  questions!: Question[];
  /** `null` in a lower policy takes back that of a higher one. */
  @IsOptional() @ValidateNested() @Type(() => KnowledgeWaiver) waiver?: KnowledgeWaiver | null;
}

/** Texts by language tag, then by name; see the defaults in the SWAIG adapter. */
export type Texts = Record<string, Record<string, string>>;

/** The whole policy of an agent after inheritance (instance, tenant, agent). Every field is present. */
export class Policy {
  @ValidateNested() @Type(() => AttemptPolicy) attempts!: AttemptPolicy;
  @ValidateNested() @Type(() => LimitPolicy) limits!: LimitPolicy;
  /** Absent parts: {@link SIGNAL_DEFAULTS}. */
  @IsOptional() @ValidateNested() @Type(() => SignalPolicy) signals?: SignalPolicy;
  @IsArray() @ArrayUnique() @IsIn(FUNCTIONS, { each: true }) functions!: FunctionName[];
  @ValidateNested() @Type(() => UnlockedFunctions) unlocksFunctions!: UnlockedFunctions;
  @ValidateNested() @Type(() => KnowledgePolicy) knowledge!: KnowledgePolicy;
  /** Department to destination: an E.164 number or a SIP URI. Nothing else is ever dialled. */
  @IsObject() transfers!: Record<string, string>;
  /** Department of `transfers` that gets callers who cannot be verified. */
  @IsOptional() @IsString() escalation?: string;
  /** How long a verified call stays verified. */
  @IsInt() @Min(1) @Max(86_400) verifiedSeconds!: number;
  /** A changed, replaced or removed credential ends the verification of running calls and their receipts. */
  @IsBoolean() endVerificationOnChange!: boolean;
  /** Agents of the same tenant whose verification of a call this agent accepts, under its own rules. Empty: only its own. */
  @IsArray() @ArrayUnique() @ArrayMaxSize(64) @IsName({ each: true }) trustsCallsOf!: string[];
  /** Language tag in which callers are spoken to before it is known who they are; absent: `en-US`. */
  @IsOptional() @Matches(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/) language?: string;
  @IsBoolean() greetByName!: boolean;
  @IsBoolean() tellAttemptsLeft!: boolean;
  @IsBoolean() discloseUnknownCaller!: boolean;
  @IsObject() texts!: Texts;
  /** ISO 3166 code of the country whose numbers callers without `+` have; `null`: such callers have no number. */
  @ValidateIf((_policy, value) => value !== null)
  @Matches(/^[A-Z]{2}$/, { message: '$property must be an ISO 3166 country code such as US, or null' })
  defaultCountry!: string | null;
}
