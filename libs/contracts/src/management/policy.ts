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
import { Meaning } from '../messages/meaning.js';
import { IsName } from '../names.js';

/** The maximum nesting of a policy in a request. The deepest valid field is at level four. */
export const POLICY_DEPTH = 8;

/**
 * The maximum length of an effective policy as JSON: texts in several languages fit. Every cache of the directory holds the
 * policy of every agent in memory.
 */
export const MAX_POLICY_BYTES = 16_384;
/** The maximum length of the effective policies of all agents of a tenant together, as JSON. */
export const MAX_TENANT_POLICY_BYTES = 8_388_608;

/** Functions that an agent may use; the names are those of the SWAIG contract. */
export const FUNCTIONS = [
  'verify_pin',
  'verify_identity',
  'verification_status',
  'request_transfer',
  'collect_pin',
] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** The attempt window of one credential and its locks. */
export class AttemptPolicy {
  // NIST SP 800-63B-4 caps consecutive failures at 100.
  @Meaning(
    'Attempts of all callers together that are compared in a window; the last of them charges the lock. While a credential has recognized callers, the last one is reserved for them',
  )
  @IsInt()
  @Min(1)
  @Max(100)
  perWindow!: number;
  @Meaning('Length of the attempt window')
  @IsInt()
  @Min(1)
  @Max(604_800)
  windowSeconds!: number;
  @Meaning('Length of the first lock; each further lock doubles')
  @IsInt()
  @Min(1)
  @Max(604_800)
  lockSeconds!: number;
  @Meaning('Longest lock')
  @IsInt()
  @Min(1)
  @Max(2_592_000)
  maxLockSeconds!: number;
}

/** At most `limit` in any window of `periodSeconds`; above 64 a steady rate. */
export class Limit {
  @Meaning('Most requests in a period. Up to 64 the limit is exact; above it is a steady rate')
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  limit!: number;
  @Meaning('Length of the period')
  @IsInt()
  @Min(1)
  @Max(604_800)
  periodSeconds!: number;
  @Meaning('Only for limits above 64: how many requests may arrive at once. Default: `limit`')
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  burst?: number;
  @Meaning('Shadow mode: the limit is evaluated and reported, and refuses nothing')
  @IsOptional()
  @IsBoolean()
  shadow?: boolean;
}

/** Thresholds of the abuse signals, counted over at most ten minutes. */
export class SignalPolicy {
  @Meaning('Different subjects of one caller that raise `signal.spray`')
  @IsOptional()
  @IsInt()
  @Min(2)
  @Max(1000)
  subjectsPerCaller?: number;
  @Meaning('Different callers of one subject that raise `signal.distributed`')
  @IsOptional()
  @IsInt()
  @Min(2)
  @Max(1000)
  callersPerSubject?: number;
  @Meaning(
    'Different subjects that one wrong PIN is submitted for and that raise `signal.pin_spray`; ten times as many with wrong PINs from one agent raise `signal.spray`',
  )
  @IsOptional()
  @IsInt()
  @Min(2)
  @Max(1000)
  subjectsPerPin?: number;
  @Meaning("Halves the tenant's limits for ten minutes after a signal")
  @IsOptional()
  @IsBoolean()
  stricter?: boolean;
}

export const SIGNAL_DEFAULTS = { subjectsPerCaller: 10, callersPerSubject: 10, subjectsPerPin: 10, stricter: false };

export const LIMIT_DIMENSIONS = ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'] as const;
export type LimitDimension = (typeof LIMIT_DIMENSIONS)[number];

export class LimitPolicy implements Record<LimitDimension, Limit> {
  @Meaning(
    "Requests of one caller: the caller's number, or what the platform states in its place; over REST `callerPhone`",
  )
  @ValidateNested()
  @Type(() => Limit)
  caller!: Limit;
  @Meaning('Requests of one call')
  @ValidateNested()
  @Type(() => Limit)
  call!: Limit;
  @Meaning('Requests about one subject')
  @ValidateNested()
  @Type(() => Limit)
  subject!: Limit;
  @Meaning('Requests of one agent')
  @ValidateNested()
  @Type(() => Limit)
  agent!: Limit;
  @Meaning("Requests of all agents of a tenant; the rule is that of the tenant's own policy")
  @ValidateNested()
  @Type(() => Limit)
  tenant!: Limit;
  @Meaning("Different subjects that one caller asks about, except the one found by the caller's own number")
  @ValidateNested()
  @Type(() => Limit)
  subjectsPerCaller!: Limit;
}

/** Functions of the agent that a reached level activates. */
export class UnlockedFunctions {
  @Meaning('Functions of the agent that the level `identified` activates')
  @IsArray()
  @ArrayUnique()
  @ArrayMaxSize(64)
  @IsString({ each: true })
  identified!: string[];
  @Meaning(
    'Functions of the agent that the level `verified` activates. A plain list for `unlocksFunctions` means this field',
  )
  @IsArray()
  @ArrayUnique()
  @ArrayMaxSize(64)
  @IsString({ each: true })
  verified!: string[];
}

/**
 * Names that no question may have. Arguments of our functions and fields of a platform's envelope are read from the same
 * object as the answers; the others are members of every JavaScript object.
 */
export const RESERVED_QUESTION_NAMES = [
  ...['customer_id', 'pin', 'department'],
  ...['argument', 'parsed', 'raw', 'substituted'],
  ...['constructor', 'prototype'],
] as const;

/** One question of knowledge-based verification. The policy has the question, each subject its answer. */
export class KnowledgeQuestion {
  @Meaning('Name of the question; answers are given under it')
  @Matches(/^[a-z][a-z0-9_]{0,62}$/, { message: '$property must be a lower-case name' })
  @IsNotIn(RESERVED_QUESTION_NAMES, {
    message: `$property must not be one of ${RESERVED_QUESTION_NAMES.join(', ')}, which are reserved`,
  })
  name!: string;
  @Meaning('What the voice agent asks the caller for')
  @IsString()
  @Length(1, 300)
  description!: string;
  @Meaning('Form of the answer, which decides how it is normalized before it is compared')
  @IsIn(['digits', 'date', 'text', 'zip'])
  kind!: 'digits' | 'date' | 'text' | 'zip';
  @Meaning('Only for `digits`: the number of digits')
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(64)
  length?: number;
}

/**
 * Lets knowledge alone reach the level `verified` in this policy. Without a waiver it reaches `identified` at most:
 * NIST SP 800-63A-4 and 800-63B-4 do not accept knowledge as proof of identity.
 */
export class KnowledgeWaiver {
  @Meaning('Person or office that is accountable for the waiver')
  @IsString()
  @Length(1, 200)
  owner!: string;
  @Meaning('Why the waiver is needed')
  @IsString()
  @Length(1, 500)
  reason!: string;
  @Meaning('End of the waiver: a day (its beginning counts) or a time, ISO 8601 in UTC')
  @Matches(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z)?$/, {
    message: '$property must be a day such as 2027-01-31, or a time in UTC such as 2027-01-31T12:00:00Z',
  })
  @IsISO8601({ strict: true }, { message: '$property must be a day of the calendar' })
  expires!: string;
}

export class KnowledgePolicy {
  @Meaning(
    'At most 10 questions, each with `name`, `description`, `kind` (`digits`, `date`, `text`, `zip`) and optional `length`',
  )
  @IsArray()
  @ArrayMaxSize(10)
  @ArrayUnique((question?: KnowledgeQuestion) => question?.name, {
    message: '$property must not name a question twice',
  })
  @ValidateNested({ each: true })
  @Type(() => KnowledgeQuestion)
  questions!: KnowledgeQuestion[];
  @Meaning(
    '`{owner, reason, expires}`: until `expires`, answers alone reach `verified`. `null` removes an inherited waiver',
  )
  @IsOptional()
  @ValidateNested()
  @Type(() => KnowledgeWaiver)
  waiver?: KnowledgeWaiver | null;
}

/** Texts by language tag, then by name. The SWAIG adapter has the defaults. */
export type Texts = Record<string, Record<string, string>>;

/** The effective policy of an agent: installation, tenant and agent combined. Every field is present. */
export class Policy {
  @ValidateNested() @Type(() => AttemptPolicy) attempts!: AttemptPolicy;
  @ValidateNested() @Type(() => LimitPolicy) limits!: LimitPolicy;
  /** Absent parts: {@link SIGNAL_DEFAULTS}. */
  @IsOptional() @ValidateNested() @Type(() => SignalPolicy) signals?: SignalPolicy;
  @Meaning('Functions that the agent may use')
  @IsArray()
  @ArrayUnique()
  @IsIn(FUNCTIONS, { each: true })
  functions!: FunctionName[];
  @ValidateNested() @Type(() => UnlockedFunctions) unlocksFunctions!: UnlockedFunctions;
  @ValidateNested() @Type(() => KnowledgePolicy) knowledge!: KnowledgePolicy;
  @Meaning('Department to destination, an E.164 number or a SIP URI; no other destination is ever connected')
  @IsObject()
  transfers!: Record<string, string>;
  @Meaning('Department of `transfers` for callers who cannot be verified')
  @IsOptional()
  @IsString()
  escalation?: string;
  @Meaning('How long a verification holds')
  @IsInt()
  @Min(1)
  @Max(86_400)
  verifiedSeconds!: number;
  @Meaning('A changed, replaced or removed credential ends the verifications and receipts of running calls')
  @IsBoolean()
  endVerificationOnChange!: boolean;
  @Meaning('Agents of the same tenant: this agent accepts their verifications, under its own rules')
  @IsArray()
  @ArrayUnique()
  @ArrayMaxSize(64)
  @IsName({ each: true })
  trustsCallsOf!: string[];
  @Meaning('Language tag for callers who are not verified; default: `en-US`')
  @IsOptional()
  @Matches(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/)
  language?: string;
  @Meaning('Thanks a verified caller by display name')
  @IsBoolean()
  greetByName!: boolean;
  @Meaning('States how many attempts remain after a rejected one')
  @IsBoolean()
  tellAttemptsLeft!: boolean;
  @Meaning('States that no account has this number, instead of answering as for a wrong secret')
  @IsBoolean()
  discloseUnknownCaller!: boolean;
  @Meaning('Texts that replace the built-in ones, by language tag and name')
  @IsObject()
  texts!: Texts;
  @Meaning('ISO 3166 code of the country of callers without `+`; `null`: such callers have no number')
  @ValidateIf((_policy, value) => value !== null)
  @Matches(/^[A-Z]{2}$/, { message: '$property must be an ISO 3166 country code such as US, or null' })
  defaultCountry!: string | null;
}

/** Where a value of an effective policy comes from, the lowest level first. A higher level replaces the values below it. */
export const POLICY_LEVELS = ['default', 'instance', 'tenant', 'agent'] as const;
export type PolicyLevel = (typeof POLICY_LEVELS)[number];

/** Fields of a policy that tenants may loosen where `mayLoosen` of the policy of the installation names them. */
export const LOOSENABLE_FIELDS = ['attempts', 'limits'] as const;
export type LoosenableField = (typeof LOOSENABLE_FIELDS)[number];

/** The policy of an installation without a `POLICY_FILE`. Its values are part of the public contract. */
export const DEFAULT_POLICY: Readonly<Record<string, unknown>> = {
  attempts: { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 },
  limits: {
    caller: { limit: 10, periodSeconds: 60 },
    call: { limit: 10, periodSeconds: 600 },
    subject: { limit: 20, periodSeconds: 60 },
    agent: { limit: 600, periodSeconds: 60 },
    tenant: { limit: 6000, periodSeconds: 60 },
    subjectsPerCaller: { limit: 5, periodSeconds: 3600 },
  },
  functions: ['verify_pin', 'verify_identity', 'verification_status', 'request_transfer', 'collect_pin'],
  unlocksFunctions: { identified: [], verified: [] },
  knowledge: {
    questions: [
      {
        name: 'last_four_ssn',
        description: 'Last four digits of the Social Security number',
        kind: 'digits',
        length: 4,
      },
      { name: 'zip_code', description: 'Billing ZIP code', kind: 'digits', length: 5 },
    ],
  },
  transfers: {},
  verifiedSeconds: 900,
  endVerificationOnChange: true,
  trustsCallsOf: [],
  greetByName: true,
  tellAttemptsLeft: false,
  discloseUnknownCaller: false,
  texts: {},
  defaultCountry: null,
};
