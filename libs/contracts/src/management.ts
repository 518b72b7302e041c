import { IsIn, IsInt, IsObject, IsOptional, IsString, Length, Matches, Max, Min } from 'class-validator';
import { Message } from './message.js';
import { IsName, IsSubjectId } from './names.js';
import { REPLY, TOPICS } from './topics.js';

const HEX_64 = /^[0-9a-f]{64}$/;

/** Creates a tenant or changes its name and policy. `policy` is raw: the directory validates it as a whole. */
export class TenantChangeRequested extends Message {
  static readonly type = 'tenant.change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsString() @Length(1, 200) name!: string;
  @IsOptional() @IsObject() policy?: Record<string, unknown>;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Adds an agent. Its secrets are made by the REST adapter and shown once; only their SHA-256 travels. */
export class AgentCreateRequested extends Message {
  static readonly type = 'agent.create-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @IsOptional() @IsString() @Length(1, 200) name?: string;
  @IsOptional() @IsObject() policy?: Record<string, unknown>;
  @Matches(HEX_64) passwordHash!: string;
  @Matches(HEX_64) apiKeyHash!: string;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Gives an agent new secrets; the old ones stay valid for `graceSeconds`. */
export class AgentRotateRequested extends Message {
  static readonly type = 'agent.rotate-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @Matches(HEX_64) passwordHash!: string;
  @Matches(HEX_64) apiKeyHash!: string;
  @IsInt() @Min(0) @Max(604_800) graceSeconds!: number;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Replaces the policy of an agent. */
export class AgentPolicyChangeRequested extends Message {
  static readonly type = 'agent.policy-change-requested.v1';
  static readonly topic = TOPICS.directoryCommands.name;
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsName() agent!: string;
  @IsObject() policy!: Record<string, unknown>;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Base of the commands about one subject; personal data and secrets travel sealed for the verification service. */
abstract class SubjectCommand extends Message {
  @Length(8, 128) commandId!: string;
  @IsName() tenant!: string;
  @IsSubjectId() subject!: string;
  get partitionKey(): string {
    return `${this.tenant}:id:${this.subject}`;
  }
}

/** Creates a subject or changes it. `sealed` is a compact JWE of `{phones?, displayName?, locale?}`. */
export class SubjectChangeRequested extends SubjectCommand {
  static readonly type = 'subject.change-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @Length(1, 16_384) sealed!: string;
}

/** Enrols or changes the PIN of a subject. `sealed` is a compact JWE of `{pin}`. */
export class PinChangeRequested extends SubjectCommand {
  static readonly type = 'pin.change-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @Length(1, 8192) sealed!: string;
}

/** Asks for the state of a subject: counters and locks, nothing secret and nothing derived from a secret. */
export class SubjectStateRequested extends SubjectCommand {
  static readonly type = 'subject.state-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
}

/** Erases a subject: what is known of it, its credentials and its key. The counter of guesses stays. */
export class SubjectEraseRequested extends SubjectCommand {
  static readonly type = 'subject.erase-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
}

/**
 * Opens a subject that guesses have locked. `reasonKey` is the keyed hash of the reason that was given: whoever has the
 * words can show that they were these, and nobody reads a name or a number in a log.
 */
export class SubjectUnlockRequested extends SubjectCommand {
  static readonly type = 'subject.unlock-requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @Matches(HEX_64) reasonKey!: string;
}

/** A rule that the input broke: the field, and the rule in words. Never the value. */
export interface Violation {
  readonly field: string;
  readonly rule: string;
}

export const ANSWERS = ['created', 'updated', 'found', 'not_found', 'taken', 'invalid', 'unavailable'] as const;

/** The answer to any management command. */
export class CommandAnswered extends Message {
  static readonly type = 'command.answered.v1';
  static readonly topic = REPLY;
  @Length(8, 128) commandId!: string;
  @IsIn(ANSWERS) answer!: (typeof ANSWERS)[number];
  /** Only with `invalid`. */
  @IsOptional() violations?: Violation[];
  /** The state of what was changed or asked for, as the REST adapter shows it. */
  @IsOptional() @IsObject() body?: Record<string, unknown>;
  get partitionKey(): string {
    return this.commandId;
  }
}
