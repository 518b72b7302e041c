import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';

/** Functions that an agent may use; the names are those of the SWAIG contract. */
export const FUNCTIONS = [
  'verify_pin',
  'verify_identity',
  'verification_status',
  'request_transfer',
  'collect_pin',
] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** The budget of guesses at one subject. */
export class AttemptPolicy {
  /** Guesses that are compared in any window; the last of them charges the lock. NIST caps the total at 100. */
  @IsInt() @Min(1) @Max(100) perWindow!: number;
  @IsInt() @Min(1) @Max(604_800) windowSeconds!: number;
  /** Length of the first lock; every further one doubles. */
  @IsInt() @Min(1) @Max(604_800) lockSeconds!: number;
  /** Longest lock, whatever the doubling says. */
  @IsInt() @Min(1) @Max(2_592_000) maxLockSeconds!: number;
  /**
   * The budget of callers who never succeeded for a subject, in the same window: at most `perWindow`, which is the
   * default. 0: no budget of their own, everybody draws on `perWindow`.
   */
  @IsOptional() @IsInt() @Min(0) @Max(100) strangersPerWindow?: number;
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

/** One question of knowledge-based verification. The answers are the subject's; the question is the policy's. */
export class Question {
  @Matches(/^[a-z][a-z0-9_]{0,62}$/, { message: '$property must be a lower-case name' }) name!: string;
  @IsString() @Length(1, 300) description!: string;
  @IsIn(['digits', 'date', 'text', 'zip']) kind!: 'digits' | 'date' | 'text' | 'zip';
  @IsOptional() @IsInt() @Min(1) @Max(64) length?: number;
}

export class KnowledgePolicy {
  @IsArray() @ArrayMaxSize(10) @ValidateNested({ each: true }) @Type(() => Question) questions!: Question[];
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
  /** Language tag in which callers are spoken to before it is known who they are; absent: `en-US`. */
  @IsOptional() @Matches(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/) language?: string;
  @IsBoolean() greetByName!: boolean;
  @IsBoolean() tellAttemptsLeft!: boolean;
  @IsBoolean() discloseUnknownCaller!: boolean;
  @IsObject() texts!: Texts;
}
